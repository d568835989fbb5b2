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

const near = (own: Interval, other: Pair, most: number): void => {
  expect(Math.abs(own[0] - other[0])).toBeLessThanOrEqual(most);
  expect(Math.abs(own[1] - other[1])).toBeLessThanOrEqual(most);
};

describe('scikit-learn, over all orders of the classes', () => {
  it.each(fixture.ties)('has the same scores of ties among $classes classes', (own) => {
    for (const [k, expected] of Object.entries(own.top)) {
      expect(topKAccuracy(own.scores, own.labels, Number(k)).value).toBeCloseTo(expected, 12);
    }
    expect(topKAccuracy(own.scores, own.labels, 1).value).toBeCloseTo(own.accuracy, 12);
    const confusion = expectedConfusion(own.scores, own.labels);
    expect(confusion.length).toBe(own.confusion.length);
    for (const [i, expected] of own.confusion.entries()) expect(confusion[i]).toBeCloseTo(expected, 12);
    expect(macroF1(confusion)).toBeCloseTo(own.macroF1, 12);
    expect(matthewsCorrelation(confusion)).toBeCloseTo(own.matthews, 12);
    const all = Int32Array.from(own.labels.keys());
    expect(macroF1Statistic(own.scores, own.labels)(all)).toBeCloseTo(own.macroF1, 12);
  });

  it('has a sixth for a model that scores six classes alike, 60 % of the labels in the first', () => {
    expect(fixture.ties[0]?.top['1']).toBeCloseTo(1 / 6, 12);
  });
});

describe('scipy', () => {
  it.each(fixture.binomial)('has the same intervals of $successes of $count', (own) => {
    near(exactInterval(own.successes, own.count), own.exact, 1e-9);
    near(exactInterval(own.successes, own.count, 0.9), own.exact90, 1e-9);
    near(wilsonInterval(own.successes, own.count), own.wilson, 1e-9);
    if (own.count > 1000) return;
    const values = Array.from({ length: own.count }, (_, i) => (i < own.successes ? 1 : 0));
    near(meanInterval(values, { seed: 1 }), own.exact, 1e-9);
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

  it.each(fixture.means)('has the same bootstrap intervals within the noise of resampling', (own) => {
    // 20,000 resamples: an end has an error of about 1 % of the width.
    const options = { seed: 3, resamples: 20_000 };
    const width = own.bca[1] - own.bca[0];
    near(bootstrapInterval(own.values, options), own.bca, 0.03 * width);
    near(meanInterval(own.values, options), own.studentized, 0.04 * width);
  });

  it.each(fixture.shares)('has the same interval of shares in groups', (own) => {
    near(meanInterval(own.values, { seed: 1, groups: own.groups }), own.interval, 1e-9);
  });
});
