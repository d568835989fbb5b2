/** Edges of scores and intervals by scikit-learn, scipy and numpy; fixtures/make_edge_scores.py made the fixture. */
import { readFileSync } from 'node:fs';
import {
  bootstrapInterval,
  exactInterval,
  expectedConfusion,
  macroF1,
  macroF1Statistic,
  matthewsCorrelation,
  meanInterval,
  topKAccuracy,
  wilsonInterval,
  type Interval,
} from '@polygate/evaluation';
import { describe, expect, it } from 'vitest';
import { betaQuantile, normalQuantile, studentQuantile } from '../src/distributions.ts';

type Pair = readonly [number, number];
interface Fixture {
  readonly ties: readonly {
    readonly classes: number;
    readonly labels: readonly number[];
    readonly scores: readonly number[];
    readonly top: Readonly<Record<string, number>>;
    readonly accuracy: number;
    readonly confusion: readonly number[];
    readonly macroF1: number;
    readonly matthews: number;
  }[];
  readonly binomial: readonly {
    readonly successes: number;
    readonly count: number;
    readonly exact: Pair;
    readonly wilson: Pair;
    readonly exact90: Pair;
  }[];
  readonly quantiles: {
    readonly student: readonly (readonly [number, number, number])[];
    readonly normal: readonly Pair[];
    readonly beta: readonly (readonly [number, number, number, number])[];
  };
  readonly means: readonly {
    readonly values: readonly number[];
    readonly bca: Pair;
    readonly studentized: Pair;
  }[];
  readonly shares: readonly {
    readonly values: readonly number[];
    readonly groups: readonly number[];
    readonly interval: Pair;
  }[];
}

const fixture = JSON.parse(
  readFileSync(new URL('./fixtures/edge-scores.json', import.meta.url), 'utf8'),
) as Fixture;

const near = (interval: Interval, other: Pair, most: number): void => {
  expect(Math.abs(interval[0] - other[0])).toBeLessThanOrEqual(most);
  expect(Math.abs(interval[1] - other[1])).toBeLessThanOrEqual(most);
};

describe('scikit-learn, over all orders of the classes', () => {
  it.each(fixture.ties)('has the same scores of ties among $classes classes', (sample) => {
    for (const [k, expected] of Object.entries(sample.top)) {
      expect(topKAccuracy(sample.scores, sample.labels, Number(k)).value).toBeCloseTo(expected, 12);
    }
    expect(topKAccuracy(sample.scores, sample.labels, 1).value).toBeCloseTo(sample.accuracy, 12);
    const confusion = expectedConfusion(sample.scores, sample.labels);
    expect(confusion.length).toBe(sample.confusion.length);
    for (const [i, expected] of sample.confusion.entries()) expect(confusion[i]).toBeCloseTo(expected, 12);
    expect(macroF1(confusion)).toBeCloseTo(sample.macroF1, 12);
    expect(matthewsCorrelation(confusion)).toBeCloseTo(sample.matthews, 12);
    const all = Int32Array.from(sample.labels.keys());
    expect(macroF1Statistic(sample.scores, sample.labels)(all)).toBeCloseTo(sample.macroF1, 12);
  });

  it('has a sixth for a model that scores six classes alike, 60 % of the labels in the first', () => {
    expect(fixture.ties[0]?.top['1']).toBeCloseTo(1 / 6, 12);
  });
});

describe('scipy', () => {
  it.each(fixture.binomial)('has the same intervals of $successes of $count', (sample) => {
    near(exactInterval(sample.successes, sample.count), sample.exact, 1e-9);
    near(exactInterval(sample.successes, sample.count, 0.9), sample.exact90, 1e-9);
    near(wilsonInterval(sample.successes, sample.count), sample.wilson, 1e-9);
    if (sample.count > 1000) return;
    const values = Array.from({ length: sample.count }, (_, i) => (i < sample.successes ? 1 : 0));
    near(meanInterval(values, { seed: 1 }), sample.exact, 1e-9);
  });

  it('has the same quantiles', () => {
    for (const [share, freedom, expected] of fixture.quantiles.student) {
      expect(Math.abs(studentQuantile(share, freedom) / expected - 1)).toBeLessThan(1e-9);
    }
    for (const [share, expected] of fixture.quantiles.normal) {
      expect(Math.abs(normalQuantile(share) - expected)).toBeLessThan(1e-9);
    }
    for (const [share, a, b, expected] of fixture.quantiles.beta) {
      expect(Math.abs(betaQuantile(share, a, b) - expected)).toBeLessThan(1e-9);
    }
  });

  it.each(fixture.means)('has the same bootstrap intervals within the noise of resampling', (sample) => {
    // 20,000 resamples: an end has an error of about 1 % of the width.
    const options = { seed: 3, resamples: 20_000 };
    const width = sample.bca[1] - sample.bca[0];
    near(bootstrapInterval(sample.values, options), sample.bca, 0.03 * width);
    near(meanInterval(sample.values, options), sample.studentized, 0.04 * width);
  });

  it.each(fixture.shares)('has the same interval of shares in groups', (sample) => {
    near(meanInterval(sample.values, { seed: 1, groups: sample.groups }), sample.interval, 1e-9);
  });
});
