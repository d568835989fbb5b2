/** Scores by scikit-learn, scipy and torchmetrics; fixtures/make_class_scores.py made the fixture and names the versions. */
import { readFileSync } from 'node:fs';
import {
  areaUnderRoc,
  averageClassScores,
  averageOverClasses,
  averagePrecision,
  balancedAccuracy,
  brierScore,
  calibration,
  classAverages,
  classScores,
  cohensKappa,
  confusionMatrix,
  fitLinearProbe,
  matthewsCorrelation,
  mcnemarTest,
  meanAveragePrecision,
  meanReciprocalRank,
  neighbourVotes,
  negativeLogLikelihood,
  normalizedGain,
  oneVersusRest,
  permutationTest,
  probeProbabilities,
  type ClassAverage,
} from '@polygate/evaluation';
import { describe, expect, it } from 'vitest';
import { ranksOf } from '../src/ranks.ts';

type Numbers = readonly number[];
type Averages = Readonly<Record<ClassAverage, number>>;
interface Rankings {
  readonly classes: number;
  readonly scores: Numbers;
  readonly labels: Numbers;
  readonly ap: Averages;
  readonly auroc: Averages;
}
interface Fixture {
  readonly classes: readonly {
    readonly classes: number;
    readonly labels: Numbers;
    readonly predicted: Numbers;
    readonly perClass: readonly (readonly [number, number, number, number])[];
    readonly averages: Readonly<Record<ClassAverage, readonly [number, number, number]>>;
    readonly balanced: number;
    readonly kappa: Readonly<Record<'none' | 'linear' | 'quadratic', number>>;
    readonly matthews: number;
  }[];
  readonly binary: readonly {
    readonly scores: Numbers;
    readonly labels: Numbers;
    readonly ap: number;
    readonly auroc: number;
  }[];
  readonly multiLabel: Rankings & { readonly torchAp: Averages; readonly torchAuroc: Averages };
  readonly oneVersusRest: Rankings;
  readonly ranked: readonly {
    readonly scores: Numbers;
    readonly tied: Numbers;
    readonly relevances: Numbers;
    readonly ap: number;
    readonly rr: number;
    readonly ndcg: number;
    readonly ndcg5: number;
    readonly tiedNdcg: number;
    readonly tiedNdcg5: number;
    readonly torchNdcg: number;
    readonly exponential: number;
  }[];
  readonly calibration: {
    readonly classes: number;
    readonly probabilities: Numbers;
    readonly labels: Numbers;
    readonly ece: Readonly<Record<string, number>>;
    readonly mce: Readonly<Record<string, number>>;
    readonly mass: Readonly<
      Record<string, { readonly accuracy: Numbers; readonly confidence: Numbers; readonly counts: Numbers }>
    >;
    readonly nll: number;
    readonly brier: number;
  };
  readonly paired: {
    readonly few: readonly {
      readonly a: Numbers;
      readonly b: Numbers;
      readonly difference: number;
      readonly permutation: number;
    }[];
    readonly many: readonly { readonly a: Numbers; readonly b: Numbers; readonly permutation: number }[];
    readonly right: readonly {
      readonly a: Numbers;
      readonly b: Numbers;
      readonly onlyA: number;
      readonly onlyB: number;
      readonly mcnemar: number;
    }[];
  };
  readonly embeddings: {
    readonly classes: number;
    readonly width: number;
    readonly train: Numbers;
    readonly labels: Numbers;
    readonly queries: Numbers;
    readonly votes: Readonly<Record<string, Numbers>>;
    readonly probes: readonly {
      readonly strength: number;
      readonly weights: Numbers;
      readonly offsets: Numbers;
      readonly probabilities: Numbers;
    }[];
    readonly two: { readonly strength: number; readonly probabilities: Numbers };
  };
}

const fixture = JSON.parse(
  readFileSync(new URL('./fixtures/class-scores.json', import.meta.url), 'utf8'),
) as Fixture;

const expectNear = (values: ArrayLike<number>, expected: Numbers, digits: number): void => {
  expect(values.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(values[i]).toBeCloseTo(value, digits);
};

describe('scikit-learn', () => {
  it.each(fixture.classes)('has the same scores of $classes classes', (given) => {
    const confusion = confusionMatrix(given.predicted, given.labels, given.classes);
    for (const [c, score] of classScores(confusion).entries()) {
      expectNear([score.precision, score.recall, score.f1, score.samples], given.perClass[c] ?? [], 12);
    }
    for (const average of classAverages) {
      const { precision, recall, f1 } = averageClassScores(confusion, average);
      expectNear([precision, recall, f1], given.averages[average], 12);
    }
    expect(balancedAccuracy(confusion)).toBeCloseTo(given.balanced, 12);
    expect(matthewsCorrelation(confusion)).toBeCloseTo(given.matthews, 12);
    for (const weights of ['none', 'linear', 'quadratic'] as const) {
      expect(cohensKappa(confusion, weights)).toBeCloseTo(given.kappa[weights], 12);
    }
  });

  it('has the same average precision and AUROC, ties included', () => {
    for (const { scores, labels, ap, auroc } of fixture.binary) {
      expect(averagePrecision(scores, labels)).toBeCloseTo(ap, 12);
      expect(areaUnderRoc(scores, labels)).toBeCloseTo(auroc, 12);
    }
  });

  it('has the same averages over classes of many labels and of one against the rest', () => {
    const { oneVersusRest: rest, multiLabel: many } = fixture;
    for (const [given, positive] of [
      [many, many.labels],
      [rest, oneVersusRest(rest.labels, rest.classes)],
    ] as const) {
      for (const average of classAverages) {
        const options = { positive, classes: given.classes, average };
        const ap = averageOverClasses(averagePrecision, given.scores, options);
        const auroc = averageOverClasses(areaUnderRoc, given.scores, options);
        expect(ap.value).toBeCloseTo(given.ap[average], 12);
        expect(auroc.value).toBeCloseTo(given.auroc[average], 12);
        expect(auroc.counted).toBe(given.classes);
      }
    }
  });

  it('has the same NDCG, ties included', () => {
    for (const { scores, tied, relevances, ...expected } of fixture.ranked) {
      const of = (ranking: Numbers, options = {}): number =>
        normalizedGain([{ scores: ranking, relevances }], options).value;
      expect(of(scores)).toBeCloseTo(expected.ndcg, 12);
      expect(of(scores, { k: 5 })).toBeCloseTo(expected.ndcg5, 12);
      expect(of(tied)).toBeCloseTo(expected.tiedNdcg, 12);
      expect(of(tied, { k: 5 })).toBeCloseTo(expected.tiedNdcg5, 12);
      expect(of(scores, { gain: 'exponential' })).toBeCloseTo(expected.exponential, 12);
    }
  });

  it('has the same log loss, Brier score and bins of equal mass', () => {
    const { probabilities, labels, nll, brier, mass } = fixture.calibration;
    expect(negativeLogLikelihood(probabilities, labels).value).toBeCloseTo(nll, 10);
    expect(brierScore(probabilities, labels).value).toBeCloseTo(brier, 10);
    for (const [bins, { accuracy, confidence, counts }] of Object.entries(mass)) {
      const { table } = calibration(probabilities, labels, { bins: Number(bins), binning: 'mass' });
      expectNear(
        table.map((bin) => bin.accuracy),
        accuracy,
        10,
      );
      expectNear(
        table.map((bin) => bin.confidence),
        confidence,
        10,
      );
      expect(table.map((bin) => bin.count)).toEqual(counts);
    }
  });

  it('has the same votes of nearest neighbours', () => {
    const { train, labels, queries, width, classes, votes } = fixture.embeddings;
    for (const [name, expected] of Object.entries(votes)) {
      const [weighting, k] = name.split(' ') as ['uniform' | 'similarity', string];
      const shares = neighbourVotes(
        { values: train, width, labels },
        { values: queries, width },
        { classes, k: Number(k), weighting },
      );
      expectNear(shares, expected, 9);
    }
    expect(Object.keys(votes)).toHaveLength(8);
  });

  it('has the same logistic regression', () => {
    const { train, labels, queries, width, classes, probes, two } = fixture.embeddings;
    for (const { strength, weights, offsets, probabilities } of probes) {
      const probe = fitLinearProbe({ values: train, width, labels }, { classes, strength, tolerance: 1e-8 });
      expect(probe.converged).toBe(true);
      expectNear(probe.weights, weights, 4);
      expectNear(probe.offsets, offsets, 4);
      expectNear(probeProbabilities(probe, { values: queries, width }), probabilities, 5);
    }
    // Of two classes it has one row of weights, whose penalty is that of two at half the strength.
    const halves = { values: train, width, labels: labels.map((label) => label % 2) };
    const probe = fitLinearProbe(halves, { classes: 2, strength: two.strength, tolerance: 1e-8 });
    expectNear(probeProbabilities(probe, { values: queries, width }), two.probabilities, 6);
  });
});

describe('torchmetrics', () => {
  it('has the same averages of many labels', () => {
    const { scores, labels, classes, torchAp, torchAuroc } = fixture.multiLabel;
    for (const average of classAverages) {
      const options = { positive: labels, classes, average };
      expect(averageOverClasses(averagePrecision, scores, options).value).toBeCloseTo(torchAp[average], 5);
      expect(averageOverClasses(areaUnderRoc, scores, options).value).toBeCloseTo(torchAuroc[average], 5);
    }
  });

  it('has the same average precision, reciprocal rank and NDCG of lists', () => {
    for (const { scores, relevances, ap, rr, torchNdcg } of fixture.ranked) {
      expect(meanAveragePrecision([{ scores, relevances }]).value).toBeCloseTo(ap, 6);
      const right = Array.from(relevances.keys()).filter((j) => (relevances[j] ?? 0) > 0);
      const line = { scores, start: 0, stride: 1, length: scores.length };
      expect(meanReciprocalRank(ranksOf('test', [[line, right]])).value).toBeCloseTo(rr, 6);
      expect(normalizedGain([{ scores, relevances }]).value).toBeCloseTo(torchNdcg, 6);
    }
  });

  it('has the same calibration errors', () => {
    const { probabilities, labels, ece, mce } = fixture.calibration;
    for (const bins of Object.keys(ece)) {
      const scores = calibration(probabilities, labels, { bins: Number(bins) });
      expect(scores.expectedError).toBeCloseTo(ece[bins] ?? Number.NaN, 6);
      expect(scores.maximumError).toBeCloseTo(mce[bins] ?? Number.NaN, 6);
    }
  });
});

describe('scipy', () => {
  it('has the same exact permutation test', () => {
    for (const { a, b, difference, permutation } of fixture.paired.few) {
      const test = permutationTest(a, b, { seed: 1 });
      expect(test.exact).toBe(true);
      expect(test.difference).toBeCloseTo(difference, 12);
      expect(test.probability).toBeCloseTo(permutation, 12);
    }
  });

  it('has the same approximate permutation test within the noise of 10,000 draws', () => {
    for (const { a, b, permutation } of fixture.paired.many) {
      const test = permutationTest(a, b, { seed: 1 });
      expect(test.exact).toBe(false);
      const noise = Math.sqrt((permutation * (1 - permutation)) / 10_000);
      expect(Math.abs(test.probability - permutation)).toBeLessThan(4 * noise + 2e-4);
    }
  });

  it('has the same McNemar test', () => {
    for (const { a, b, onlyA, onlyB, mcnemar } of fixture.paired.right) {
      const test = mcnemarTest(a, b);
      expect([test.onlyA, test.onlyB]).toEqual([onlyA, onlyB]);
      expect(test.probability).toBeCloseTo(mcnemar, 10);
    }
  });
});
