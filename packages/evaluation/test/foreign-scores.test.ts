/** Parity with scikit-learn, scipy and NLTK; fixtures/make_foreign_scores.py made the fixture and names the versions. */
import { readFileSync } from 'node:fs';
import {
  argmaxRows,
  binomialTail,
  bleu,
  confusionMatrix,
  exactInterval,
  macroF1,
  matthewsCorrelation,
  topKAccuracy,
  wilsonInterval,
} from '@polygate/evaluation';
import type { CaptionPair } from '@polygate/evaluation';
import { describe, expect, it } from 'vitest';

interface Fixture {
  readonly classification: readonly {
    readonly classes: number;
    readonly labels: readonly number[];
    readonly scores: readonly number[];
    readonly predicted: readonly number[];
    readonly confusion: readonly number[];
    readonly macroF1: number;
    readonly matthews: number;
    readonly top1: number;
    readonly top3: number | null;
  }[];
  readonly bleu: { readonly pairs: readonly CaptionPair[]; readonly bleu: readonly number[] };
  readonly proportions: readonly {
    readonly successes: number;
    readonly count: number;
    readonly chance: number;
    readonly wilson: readonly [number, number];
    readonly exact: readonly [number, number];
    readonly tail: number;
  }[];
}

const fixture = JSON.parse(
  readFileSync(new URL('./fixtures/foreign-scores.json', import.meta.url), 'utf8'),
) as Fixture;

describe('scikit-learn', () => {
  it.each(fixture.classification)('gives the same scores for $classes classes', (sample) => {
    expect([...argmaxRows(sample.scores, sample.classes)]).toEqual(sample.predicted);
    const confusion = confusionMatrix(sample.predicted, sample.labels, sample.classes);
    expect([...confusion]).toEqual(sample.confusion);
    expect(macroF1(confusion)).toBeCloseTo(sample.macroF1, 12);
    expect(matthewsCorrelation(confusion)).toBeCloseTo(sample.matthews, 12);
    expect(topKAccuracy(sample.scores, sample.labels, 1).value).toBeCloseTo(sample.top1, 12);
    if (sample.top3 !== null)
      expect(topKAccuracy(sample.scores, sample.labels, 3).value).toBeCloseTo(sample.top3, 12);
  });
});

describe('NLTK', () => {
  it('gives the same corpus BLEU-1 to BLEU-4', () => {
    const scores = bleu(fixture.bleu.pairs).bleu;
    for (const [i, expected] of fixture.bleu.bleu.entries()) expect(scores[i]).toBeCloseTo(expected, 10);
    expect(fixture.bleu.bleu[3]).toBeGreaterThan(0.1);
  });

  it('prints 0.5920 for the example of its documentation', () => {
    const pairs = [
      {
        candidate:
          'It is a guide to action which ensures that the military always obeys the commands of the party',
        references: [
          'It is a guide to action that ensures that the military will forever heed Party commands',
          'It is the guiding principle which guarantees the military forces always being under the command of the Party',
          'It is the practical guide for the army always to heed the directions of the party',
        ],
      },
      {
        candidate: 'he read the book because he was interested in world history',
        references: ['he was interested in world history because he read the book'],
      },
    ];
    expect(bleu(pairs, (text) => text.split(' ')).bleu[3]).toBeCloseTo(0.5920778868801042, 12);
  });
});

describe('scipy', () => {
  it.each(fixture.proportions)('gives the same intervals for $successes of $count', (sample) => {
    for (const [interval, expected] of [
      [wilsonInterval(sample.successes, sample.count), sample.wilson],
      [exactInterval(sample.successes, sample.count), sample.exact],
    ] as const) {
      expect(interval[0]).toBeCloseTo(expected[0], 9);
      expect(interval[1]).toBeCloseTo(expected[1], 9);
    }
    const tail = binomialTail(sample.successes, sample.count, sample.chance);
    // Relative, for tails down to 1e-300.
    expect(Math.abs(tail - sample.tail)).toBeLessThanOrEqual(1e-9 * sample.tail);
  });
});
