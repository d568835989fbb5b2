import { ConfigError, createRandom, type Random } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import type { Interval } from './bootstrap.ts';
import { meanInterval, pairedDifference } from './mean-interval.ts';
import { exactInterval } from './proportions.ts';

const draw = (count: number, of: () => number): Float64Array => Float64Array.from({ length: count }, of);

/** Share of simulated samples whose interval holds the truth. */
const coverage = (
  trials: number,
  truth: number,
  interval: (random: Random, trial: number) => Interval,
): number => {
  let covered = 0;
  for (let trial = 0; trial < trials; trial += 1) {
    const [low, high] = interval(createRandom(77).fork(trial), trial);
    if (low <= truth && truth <= high) covered += 1;
  }
  return covered / trials;
};

describe('meanInterval of zeros and ones', () => {
  it('is exact', () => {
    expect(meanInterval([1, 0, 1, 1], { seed: 1 })).toEqual(exactInterval(3, 4));
    // One success says that p is 0.025 or more.
    expect(meanInterval([1], { seed: 1 })[0]).toBeCloseTo(0.025, 12);
    expect(meanInterval([1], { seed: 1 })[1]).toBe(1);
    expect(meanInterval([0, 0], { seed: 1 })).toEqual(exactInterval(0, 2));
  });

  it('holds the truth where a bootstrap of rare failures holds it in 64 %', () => {
    const share = coverage(300, 0.98, (random, seed) =>
      meanInterval(
        draw(50, () => (random.next() < 0.98 ? 1 : 0)),
        { seed },
      ),
    );
    expect(share).toBeGreaterThanOrEqual(0.95);
  });

  it('counts groups as what they tell', () => {
    const groups = Array.from({ length: 40 }, (_, i) => Math.floor(i / 4));
    // Ten groups of four equal values are ten samples.
    const alike = Float64Array.from(groups, (group) => (group < 5 ? 1 : 0));
    const [low, high] = meanInterval(alike, { seed: 1, groups });
    const [ten, forty] = [exactInterval(5, 10), exactInterval(20, 40)];
    expect(Math.abs(low - ten[0])).toBeLessThan(0.01);
    expect(Math.abs(high - ten[1])).toBeLessThan(0.01);
    // No failure in ten groups is no failure in ten.
    expect(meanInterval(new Float64Array(40).fill(1), { seed: 1, groups })).toEqual(exactInterval(10, 10));
    // One group is one sample.
    expect(meanInterval([1, 1, 1], { seed: 1, groups: ['a', 'a', 'a'] })).toEqual(exactInterval(1, 1));
    // Groups that are more alike than chance never make more samples than there are.
    const balanced = Float64Array.from(groups, (_, i) => i % 2);
    expect(meanInterval(balanced, { seed: 1, groups })[0]).toBeLessThanOrEqual(forty[0] + 1e-9);
  });

  it.each([
    ['few groups', 8, 5],
    ['many groups', 40, 5],
  ])('covers with %s', (_, count, size) => {
    // Each group has a p of its own, 0.5 to 1: mean 0.75.
    const groups = Array.from({ length: count * size }, (_each, i) => Math.floor(i / size));
    const share = coverage(300, 0.75, (random, seed) => {
      const chances = draw(count, () => 0.5 + 0.5 * random.next());
      const values = Float64Array.from(groups, (group) => (random.next() < (chances[group] ?? 0) ? 1 : 0));
      return meanInterval(values, { seed, groups });
    });
    expect(share).toBeGreaterThanOrEqual(0.93);
  });
});

describe('meanInterval of other values', () => {
  // Measured with 4000 samples each: exponential .951, .950; lognormal .92, .93; normal .95, .95.
  const exponential = (random: Random): number => -Math.log(1 - random.next());
  it.each([
    ['exponential', 20, 1, exponential, 0.915],
    ['exponential', 50, 1, exponential, 0.92],
    ['lognormal', 20, Math.exp(0.5), (random: Random) => Math.exp(random.normal()), 0.88],
    ['normal', 20, 0, (random: Random) => random.normal(), 0.92],
    ['normal', 5, 0, (random: Random) => random.normal(), 0.92],
  ] as const)('covers the mean of %s, n = %i', (_, count, truth, of, least) => {
    const share = coverage(400, truth, (random, seed) =>
      meanInterval(
        draw(count, () => of(random)),
        { seed, resamples: 600 },
      ),
    );
    expect(share).toBeGreaterThanOrEqual(least);
  });

  it('covers shares of words with many at 1, within their range', () => {
    const share = coverage(300, 0.9 + 0.1 / 3, (random, seed) => {
      const values = draw(20, () => (random.next() < 0.9 ? 1 : random.integer(3) / 3));
      const [low, high] = meanInterval(values, { seed, resamples: 400, range: [0, 1] });
      expect(low).toBeGreaterThan(0.4);
      expect(high).toBeLessThanOrEqual(1);
      return [low, high];
    });
    expect(share).toBeGreaterThanOrEqual(0.93);
  });

  it('covers by groups', () => {
    const groups = Array.from({ length: 100 }, (_, i) => Math.floor(i / 5));
    const share = coverage(300, 1, (random, seed) => {
      const centres = draw(20, () => exponential(random));
      const values = Float64Array.from(groups, (group) => (centres[group] ?? 0) + 0.3 * random.normal());
      return meanInterval(values, { seed, groups, resamples: 400 });
    });
    expect(share).toBeGreaterThanOrEqual(0.9);
  });

  it('has infinite ends where nothing is known of the spread, and those of shares within a range', () => {
    const unknown = [-Infinity, Infinity];
    expect(meanInterval([0.7], { seed: 1 })).toEqual(unknown);
    expect(meanInterval([0.7, 0.7, 0.7], { seed: 1 })).toEqual(unknown);
    expect(meanInterval([0.2, 0.9], { seed: 1, groups: [1, 1] })).toEqual(unknown);
    const [low, high] = meanInterval([0.7, 0.7], { seed: 1, range: [0, 1] });
    expect(low).toBeGreaterThan(0);
    expect(low).toBeLessThan(0.2);
    expect(high).toBeLessThanOrEqual(1);
    // The scale of the range does not matter.
    const [tenLow, tenHigh] = meanInterval([7, 7], { seed: 1, range: [0, 10] });
    expect(tenLow).toBeCloseTo(10 * low, 10);
    expect(tenHigh).toBeCloseTo(10 * high, 10);
    expect(meanInterval([0, 0], { seed: 1, range: [-Infinity, 0] })).toEqual([-Infinity, 0]);
  });

  it('refuses no values, values that are not finite, and values outside the range', () => {
    expect(() => meanInterval([], { seed: 1 })).toThrow('expected at least one sample, got none');
    expect(() => meanInterval([1, Number.NaN], { seed: 1 })).toThrow(
      'expected finite values, got NaN for sample 1',
    );
    expect(() => meanInterval([1, Infinity], { seed: 1 })).toThrow(ConfigError);
    expect(() => meanInterval([1, 2], { seed: 1, range: [0, 1] })).toThrow(
      'expected values from 0 to 1, got values from 1 to 2',
    );
    expect(() => meanInterval([1], { seed: 1, range: [1, 0] })).toThrow(
      'from the least to the greatest value',
    );
  });
});

describe('pairedDifference', () => {
  it('sees a constant gain through noise that both systems share', () => {
    const random = createRandom(4);
    const b = draw(50, () => random.integer(100));
    const a = b.map((value) => value + 1);
    expect(pairedDifference(a, b, { seed: 1 })).toEqual({ value: 1, interval: [1, 1] });
    expect(() => pairedDifference([1], [1, 2], { seed: 1 })).toThrow(
      'scores of the same samples, got 1 and 2',
    );
  });

  it('does not take one sample, or two that are both won, for a difference', () => {
    const won = pairedDifference([1, 1], [0, 0], { seed: 1 });
    expect(won.value).toBe(1);
    expect(won.interval[0]).toBeLessThan(0);
    expect(pairedDifference([0.6], [0.2], { seed: 1 }).interval).toEqual([-Infinity, Infinity]);
    const same = pairedDifference(new Float64Array(50).fill(1), new Float64Array(50).fill(1), { seed: 1 });
    expect(same.value).toBe(0);
    expect(same.interval[0]).toBeLessThan(-0.1);
    expect(same.interval[1]).toBeGreaterThan(0.1);
  });
});
