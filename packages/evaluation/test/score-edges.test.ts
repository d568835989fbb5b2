/** Edges of scores: nothing, one class, ties, all alike, no positives, k above n, and goldens by hand. */
import { ConfigError, ShapeError } from '@polygate/core';
import {
  areaUnderRoc,
  averageClassScores,
  averageOverClasses,
  averagePrecision,
  balancedAccuracy,
  balancedAccuracyStatistic,
  bleu,
  brierScore,
  calibration,
  calibrationOf,
  chooseStrength,
  confusionMatrix,
  ciderD,
  classScores,
  cohensKappa,
  confidencesOf,
  documentFrequencies,
  fitLinearProbe,
  labelRanks,
  macroF1,
  mcnemarTest,
  meanAveragePrecision,
  meanRank,
  meanReciprocalRank,
  median,
  medianRank,
  negativeLogLikelihood,
  neighbourVotes,
  normalizedGain,
  oneVersusRest,
  pairedBootstrap,
  pairedDifference,
  permutationTest,
  probeProbabilities,
  randomizationTest,
  type ClassAverage,
} from '@polygate/evaluation';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { minimize } from '../src/lbfgs.ts';

const half = { seed: 1 };
/** Two classes apart along one value. */
const line = { values: [-2, -1, 1, 2], width: 1, labels: [0, 0, 1, 1] };

describe('by hand', () => {
  it('has precision, recall and F1 of two classes', () => {
    // Labels 0 0 0 1, predictions 0 0 1 1: of class 1 one of two predictions is right, and its one sample is met.
    const confusion = [2, 1, 0, 1];
    const [first, second] = classScores(confusion);
    expect(first).toEqual({ precision: 1, recall: 2 / 3, f1: 0.8, samples: 3, predictions: 2 });
    expect(second).toEqual({ precision: 0.5, recall: 1, f1: 2 / 3, samples: 1, predictions: 2 });
    expect(averageClassScores(confusion, 'micro').f1).toBe(0.75);
    expect(averageClassScores(confusion, 'weighted').recall).toBeCloseTo((3 * (2 / 3) + 1) / 4, 12);
    expect(balancedAccuracy(confusion)).toBeCloseTo((2 / 3 + 1) / 2, 12);
    // Agreement 3/4; by chance (3 * 2 + 1 * 2) / 16 = 1/2.
    expect(cohensKappa(confusion)).toBeCloseTo(0.5, 12);
    const all = balancedAccuracyStatistic([1, 1, 0, 1], [0, 0, 0, 1], 2);
    expect(all([0, 1, 2, 3])).toBeCloseTo(balancedAccuracy(confusion), 12);
    expect(all([0, 1])).toBe(1);
  });

  it('has average precision and AUROC of four samples', () => {
    // From the top: right, wrong, right, wrong. AP = (1/1 + 2/3) / 2; of four pairs three are in order.
    expect(averagePrecision([4, 3, 2, 1], [1, 0, 1, 0])).toBeCloseTo((1 + 2 / 3) / 2, 12);
    expect(areaUnderRoc([4, 3, 2, 1], [1, 0, 1, 0])).toBe(0.75);
  });

  it('has calibration of four samples in two bins', () => {
    // Confidence .6 twice, one right; .9 twice, both right: |.5 - .6| and |1 - .9|.
    const probabilities = [0.6, 0.4, 0.6, 0.4, 0.9, 0.1, 0.1, 0.9];
    const { expectedError, maximumError, table } = calibration(probabilities, [0, 1, 0, 1], { bins: 4 });
    expect(expectedError).toBeCloseTo(0.1, 12);
    expect(maximumError).toBeCloseTo(0.1, 12);
    expect(table.map(({ count }) => count)).toEqual([0, 0, 2, 2]);
    expect(brierScore([0.6, 0.4], [0]).value).toBeCloseTo(0.32, 12);
    expect(negativeLogLikelihood([0.25, 0.75], [0]).value).toBeCloseTo(Math.log(4), 12);
  });

  it('has ranks of one query with a tie', () => {
    // Label 2 shares the best score with one other: rank 1 or 2.
    const ranks = labelRanks([0, 5, 5, 1], [2]);
    expect(meanRank(ranks).value).toBe(1.5);
    expect(medianRank(ranks)).toBe(1.5);
    expect(meanReciprocalRank(ranks).value).toBeCloseTo((1 + 1 / 2) / 2, 12);
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });

  it('has the two-sided tests of five differences', () => {
    // All five the same way: 2 of 32 assignments are as far out.
    const [a, b] = [
      [1, 1, 1, 1, 1],
      [0, 0, 0, 0, 0],
    ];
    expect(permutationTest(a, b, half)).toEqual({ difference: 1, probability: 2 / 32, exact: true });
    const test = mcnemarTest(a, b);
    expect(test.probability).toBeCloseTo(2 / 32, 12);
    expect(test.oddsRatio).toBe(Number.POSITIVE_INFINITY);
    // In two groups 2 of 4.
    expect(permutationTest(a, b, { seed: 1, groups: [0, 0, 0, 1, 1] }).probability).toBe(0.5);
  });

  it('has the randomisation test of a mean as the permutation test, and of macro-F1 by trying all', () => {
    const a = [0.5, 1, 0.25, 0.75, 1, 0.5];
    const b = [0.25, 1, 0, 0.5, 0.75, 0.75];
    const mean = (swapped: (i: number) => boolean): number =>
      a.reduce((sum, value, i) => sum + (swapped(i) ? -1 : 1) * (value - (b[i] ?? 0)), 0) / a.length;
    const test = randomizationTest(6, mean, half);
    expect(test).toEqual(permutationTest(a, b, half));
    const drawn = randomizationTest(6, mean, { seed: 1, draws: 50 });
    expect(drawn.exact).toBe(false);
    expect(Math.abs(drawn.probability - test.probability)).toBeLessThan(0.25);
    // Labels 0 1, a right on both, b on neither: swapping both turns it round, swapping one makes them alike.
    const [labels, right, wrong] = [
      [0, 1],
      [0, 1],
      [1, 0],
    ];
    const f1 = (swapped: (i: number) => boolean, side: boolean): number =>
      macroF1(
        confusionMatrix(
          labels.map((_, i) => (swapped(i) === side ? wrong : right)[i] ?? 0),
          labels,
          2,
        ),
      );
    const macro = randomizationTest(2, (swapped) => f1(swapped, true) - f1(swapped, false), half);
    expect(macro).toEqual({ difference: 1, probability: 0.5, exact: true });
    expect(() => randomizationTest(2, () => Number.NaN, half)).toThrow(
      'randomizationTest: expected a finite difference of every assignment, got NaN; define the score for corpora that lack a class',
    );
  });

  it('finds the minimum of a quadratic in as many steps as it has variables, about', () => {
    const { point, converged, iterations } = minimize(
      (at, gradient) => {
        gradient.set([2 * ((at[0] ?? 0) - 1), 20 * ((at[1] ?? 0) + 2)]);
        return ((at[0] ?? 0) - 1) ** 2 + 10 * ((at[1] ?? 0) + 2) ** 2;
      },
      Float64Array.of(0, 0),
      { tolerance: 1e-8 },
    );
    expect(converged).toBe(true);
    expect(iterations).toBeLessThan(12);
    expect(point[0]).toBeCloseTo(1, 7);
    expect(point[1]).toBeCloseTo(-2, 7);
  });
});

describe('where all is alike', () => {
  it('is chance', () => {
    const labels = [1, 0, 0, 1, 0];
    expect(averagePrecision([3, 3, 3, 3, 3], labels)).toBeCloseTo(0.4, 12);
    expect(areaUnderRoc([3, 3, 3, 3, 3], labels)).toBe(0.5);
    expect(meanRank(labelRanks([1, 1, 1], [0])).value).toBe(2);
    expect(meanReciprocalRank(labelRanks([1, 1, 1], [0])).value).toBeCloseTo((1 + 1 / 2 + 1 / 3) / 3, 12);
    expect(cohensKappa([4, 0, 0, 0])).toBe(0);
    expect(balancedAccuracy([4, 0, 0, 0])).toBe(1);
    expect(averageClassScores([4, 0, 0, 0], 'macro').f1).toBe(1);
  });

  it('does not differ', () => {
    const same = [0.5, 0.25, 1];
    expect(permutationTest(same, same, half)).toEqual({ difference: 0, probability: 1, exact: true });
    expect(mcnemarTest([1, 0], [1, 0]).probability).toBe(1);
    expect(mcnemarTest([1, 0], [1, 0]).oddsRatio).toBeNaN();
    const { difference, probability, effectSize } = pairedBootstrap(same, same, half);
    expect([difference, probability]).toEqual([0, 1]);
    expect(effectSize).toBeNaN();
  });

  it('keeps equal confidences in one bin of equal mass', () => {
    const { table, expectedError } = calibrationOf(
      { confidence: Float64Array.of(0.5, 0.5, 0.5, 0.5), right: Float64Array.of(1, 0, 1, 0) },
      { bins: 3, binning: 'mass' },
    );
    expect(table.map(({ count }) => count)).toEqual([0, 0, 4]);
    expect(expectedError).toBe(0);
    expect(table[0]?.accuracy).toBeNaN();
  });

  it('shares a tie of the best classes', () => {
    expect([...confidencesOf([0.4, 0.4, 0.2], [1]).right]).toEqual([0.5]);
  });
});

describe('properties', () => {
  const samples = fc
    .array(fc.record({ score: fc.integer({ min: 0, max: 4 }), label: fc.constantFrom(0, 1) }), {
      minLength: 2,
      maxLength: 30,
    })
    .filter((list) => new Set(list.map(({ label }) => label)).size === 2);

  it('AUROC turns round with the scores, and is that of all pairs', () => {
    fc.assert(
      fc.property(samples, (list) => {
        const [scores, labels] = [list.map(({ score }) => score), list.map(({ label }) => label)];
        let [wins, pairs] = [0, 0];
        for (const a of list.filter(({ label }) => label === 1)) {
          for (const b of list.filter(({ label }) => label === 0)) {
            wins += a.score > b.score ? 1 : a.score === b.score ? 0.5 : 0;
            pairs += 1;
          }
        }
        expect(areaUnderRoc(scores, labels)).toBeCloseTo(wins / pairs, 12);
        const turned = scores.map((score) => -score);
        expect(areaUnderRoc(turned, labels)).toBeCloseTo(1 - wins / pairs, 12);
      }),
    );
  });

  it('average precision and reciprocal rank of ties are means over the orders', () => {
    const orders = (list: readonly number[]): readonly (readonly number[])[] =>
      list.length === 0
        ? [[]]
        : list.flatMap((first, i) => orders(list.toSpliced(i, 1)).map((rest) => [first, ...rest]));
    fc.assert(
      fc.property(samples, (list) => {
        const few = list.slice(0, 5);
        fc.pre(few.some(({ label }) => label === 1));
        const relevances = few.map(({ label }) => label);
        const all = orders([...few.keys()]).map((order) => {
          // Ties are broken by the order.
          const scores = few.map(({ score }, i) => score + order.indexOf(i) / 100);
          return meanAveragePrecision([{ scores, relevances }]).value;
        });
        const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
        const tied = meanAveragePrecision([{ scores: few.map(({ score }) => score), relevances }]).value;
        expect(tied).toBeCloseTo(mean, 10);
      }),
      { numRuns: 30 },
    );
  });

  it('a permutation test is symmetric, seeded, and more certain of a larger shift', () => {
    const a = Array.from({ length: 40 }, (_, i) => Math.sin(i * 7));
    const b = Array.from({ length: 40 }, (_, i) => Math.cos(i * 5));
    const shifted = (shift: number) =>
      permutationTest(
        a.map((value) => value + shift),
        b,
        half,
      ).probability;
    expect(permutationTest(a, b, half).probability).toBeCloseTo(permutationTest(b, a, half).probability, 12);
    expect(shifted(2)).toBeLessThan(shifted(0.4));
    expect(shifted(2)).toBeCloseTo(1 / 10_001, 12);
    expect(pairedBootstrap(a, b, half)).toEqual(pairedBootstrap(a, b, half));
    const { interval, difference } = pairedBootstrap(a, b, half);
    expect({ value: difference, interval }).toEqual(pairedDifference(a, b, half));
  });
});

describe('probes', () => {
  const classes = 2;

  it('tell two classes apart and are the same each time', () => {
    const probe = fitLinearProbe(line, { classes });
    expect(fitLinearProbe(line, { classes })).toEqual(probe);
    const [far, near] = probeProbabilities(probe, { values: [3, 0], width: 1 }).filter((_, i) => i % 2 === 1);
    expect(far).toBeGreaterThan(0.8);
    expect(near).toBeCloseTo(0.5, 6);
    const strengths = [100, 0.01, 1];
    expect(chooseStrength(line, line, { classes, strengths })).toBe(0.01);
  });

  it('let the first of equal neighbours vote', () => {
    const train = { values: [1, 0, 1, 0, 0, 1], width: 2, labels: [0, 1, 1] };
    expect([...neighbourVotes(train, { values: [2, 0], width: 2 }, { classes, k: 1 })]).toEqual([1, 0]);
    const two = neighbourVotes(train, { values: [2, 0], width: 2 }, { classes, k: 2, weighting: 'uniform' });
    expect([...two]).toEqual([0.5, 0.5]);
  });
});

describe('refused', () => {
  const one = { scores: [1], relevances: [0] };
  it.each<readonly [string, () => unknown, new (message: string) => Error, string]>([
    [
      'balanced accuracy of nothing',
      () => balancedAccuracy([0, 0, 0, 0]),
      ShapeError,
      'balancedAccuracy: expected at least one sample, got none; is the split empty?',
    ],
    [
      'an unknown average',
      () => averageClassScores([1], 'makro' as ClassAverage),
      ConfigError,
      'unknown average of classes "makro": did you mean "macro"? known: macro, micro, weighted',
    ],
    [
      'average precision of nothing',
      () => averagePrecision([], []),
      ShapeError,
      'averagePrecision: expected scores and as many labels, one or more, got 0 scores and 0 labels',
    ],
    [
      'average precision without a positive',
      () => averagePrecision([1, 2], [0, 0]),
      ConfigError,
      'averagePrecision: expected at least one positive sample, got none among 2; leave the class out',
    ],
    [
      'AUROC without a negative',
      () => areaUnderRoc([1, 2], [1, 1]),
      ConfigError,
      'areaUnderRoc: expected at least one negative sample, got none among 2; leave the class out',
    ],
    [
      'AUROC of NaN',
      () => areaUnderRoc([NaN, 2], [1, 0]),
      ConfigError,
      'areaUnderRoc: expected numbers, got NaN as score of sample 0',
    ],
    [
      'classes none of which has both kinds',
      () => averageOverClasses(areaUnderRoc, [1, 2], { positive: [1, 1], classes: 1 }),
      ConfigError,
      'averageOverClasses: expected a class with positive and negative samples, got none among 1',
    ],
    [
      'labels outside the classes',
      () => oneVersusRest([2], 2),
      ConfigError,
      'oneVersusRest: expected labels from 0 to 1, got 2 for sample 0',
    ],
    [
      'a list without a right candidate',
      () => meanAveragePrecision([one]),
      ConfigError,
      'meanAveragePrecision: expected a right candidate for every query, got none for query 0; leave it out',
    ],
    [
      'NDCG at 0',
      () => normalizedGain([{ scores: [1], relevances: [1] }], { k: 0 }),
      ConfigError,
      'normalizedGain: expected a whole number k from 1, got 0',
    ],
    [
      'negative relevances',
      () => normalizedGain([{ scores: [1], relevances: [-1] }]),
      ConfigError,
      'normalizedGain: expected relevances of 0 or more, got -1 for candidate 0',
    ],
    [
      'logits as probabilities',
      () => calibration([3, -1], [0]),
      ConfigError,
      'calibration: expected probabilities from 0 to 1, got 3 for class 0 of sample 0; take the softmax of scores first',
    ],
    [
      'probabilities that do not add up',
      () => brierScore([0.5, 0.1], [0]),
      ConfigError,
      'brierScore: expected probabilities that add up to 1, got 0.6 for sample 0; take the softmax of scores first',
    ],
    [
      'calibration of nothing',
      () => calibrationOf({ confidence: new Float64Array(0), right: new Float64Array(0) }),
      ShapeError,
      'calibration: expected at least one sample, got none; is the split empty?',
    ],
    [
      'tests of other numbers of samples',
      () => permutationTest([1], [1, 2], half),
      ShapeError,
      'permutationTest: expected scores of the same samples, one or more, got 1 and 2',
    ],
    [
      'tests of NaN',
      () => pairedBootstrap([NaN], [1], half),
      ConfigError,
      'pairedBootstrap: expected finite scores, got NaN and 1 for sample 0',
    ],
    [
      'McNemar of shares',
      () => mcnemarTest([0.5], [1]),
      ConfigError,
      'mcnemarTest: expected 1 for right and 0 for wrong, got 0.5 and 1 for sample 0; the permutation test takes any values',
    ],
    [
      'more neighbours than rows',
      () => neighbourVotes(line, { values: [1], width: 1 }, { classes: 2, k: 5 }),
      ConfigError,
      'neighbourVotes: k: expected a whole number of 1 to 4, got 5',
    ],
    [
      'neighbours of another width',
      () => neighbourVotes(line, { values: [1, 2], width: 2 }, { classes: 2 }),
      ShapeError,
      'neighbourVotes: expected embeddings of one width, got 1 and 2',
    ],
    [
      'embeddings of NaN',
      () => fitLinearProbe({ ...line, values: [1, NaN, 2, 3] }, { classes: 2 }),
      ConfigError,
      'linear probe: expected finite embeddings, got NaN in row 1; has the model diverged?',
    ],
    [
      'a probe of one class',
      () => fitLinearProbe({ ...line, labels: [1, 1, 1, 1] }, { classes: 2 }),
      ConfigError,
      'linear probe: expected rows of two classes or more, got 4 of class 1; there is nothing to tell apart',
    ],
    [
      'an unknown smoothing',
      () => bleu([{ candidate: 'a', references: ['a'] }], { smoothing: 'flor' as 'floor' }),
      ConfigError,
      'unknown smoothing of BLEU "flor": did you mean "floor"?',
    ],
    [
      'frequencies above the number of documents',
      () => {
        const frequencies = { ...documentFrequencies([['a'], ['a']]), documents: 1 };
        return ciderD([{ candidate: 'a', references: ['a'] }], { frequencies });
      },
      ConfigError,
      'ciderD: expected frequencies of at most the 1 documents they are of, got 2; give the number of documents that were counted',
    ],
  ])('%s', (_, score, type, text) => {
    expect(score).toThrow(type);
    expect(score).toThrow(text);
  });
});
