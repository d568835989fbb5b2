import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bootstrapInterval, bootstrapStatistic, quantile } from './bootstrap.ts';

const halves = Float64Array.from({ length: 1000 }, (_, i) => i % 2);

describe('quantile', () => {
  it('interpolates between neighbours', () => {
    expect(quantile([1, 2, 3, 4, 5], 0.5)).toBe(3);
    expect(quantile([0, 10], 0.25)).toBe(2.5);
    expect(quantile([7], 0.975)).toBe(7);
  });
});

describe('bootstrapInterval', () => {
  it('is as wide as the normal approximation for a large share', () => {
    // Standard error sqrt(0.25 / 1000) = 0.0158; 95 %: 0.5 -+ 0.031; a resampled end has an error of about 5 % of that.
    const [low, high] = bootstrapInterval(halves, { seed: 1, resamples: 2000 });
    expect(Math.abs(low - 0.469)).toBeLessThan(0.004);
    expect(Math.abs(high - 0.531)).toBeLessThan(0.004);
    const [low80] = bootstrapInterval(halves, { seed: 1, resamples: 2000, confidence: 0.8 });
    expect(Math.abs(low80 - (0.5 - 1.2816 * 0.0158))).toBeLessThan(0.004);
  });

  it('widens by the root of the group size where samples of a group are alike', () => {
    // 100 groups of ten equal values: as 100 samples. 1.96 * sqrt(0.25 / 100) = 0.098.
    const values = Float64Array.from({ length: 1000 }, (_, i) => Math.floor(i / 10) % 2);
    const groups = Array.from({ length: 1000 }, (_, i) => `concept ${Math.floor(i / 10)}`);
    const [low, high] = bootstrapInterval(values, { seed: 2, resamples: 2000, groups });
    expect(Math.abs(high - low - 0.196)).toBeLessThan(0.02);
  });

  it('is a function of the seed, lies within the values, and is a point where all are equal', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1 }),
        fc.integer(),
        (values, seed) => {
          const interval = bootstrapInterval(values, { seed, resamples: 20 });
          expect(bootstrapInterval(values, { seed, resamples: 20 })).toEqual(interval);
          expect(interval[0]).toBeLessThanOrEqual(interval[1]);
          expect(interval[0]).toBeGreaterThanOrEqual(Math.min(...values) - 1e-9);
          expect(interval[1]).toBeLessThanOrEqual(Math.max(...values) + 1e-9);
        },
      ),
    );
    expect(bootstrapInterval([2, 2, 2], { seed: 3 })).toEqual([2, 2]);
    expect(bootstrapInterval(halves, { seed: 1 })).not.toEqual(bootstrapInterval(halves, { seed: 2 }));
  });

  it('says what was expected', () => {
    expect(() => bootstrapInterval([], { seed: 1 })).toThrow(
      'expected at least one sample, got none; is the split empty?',
    );
    expect(() => bootstrapInterval([1], { seed: 1, confidence: 1 })).toThrow(
      'a confidence between 0 and 1, got 1',
    );
    expect(() => bootstrapInterval([1, 2], { seed: 1, groups: [1] })).toThrow(
      'a group for each of 2 samples, got 1',
    );
  });
});

describe('bootstrapStatistic', () => {
  it('of a mean is the interval of the mean, with and without groups', () => {
    const values = Float64Array.from({ length: 30 }, (_, i) => (i * 7) % 11);
    const mean = (indices: Int32Array): number =>
      indices.reduce((sum, i) => sum + (values[i] ?? 0), 0) / indices.length;
    for (const groups of [undefined, Array.from({ length: 30 }, (_, i) => i % 7)]) {
      const options = { seed: 5, resamples: 50, ...(groups ? { groups } : {}) };
      const interval = bootstrapInterval(values, options);
      const twin = bootstrapStatistic(30, mean, options);
      expect(twin[0]).toBeCloseTo(interval[0], 12);
      expect(twin[1]).toBeCloseTo(interval[1], 12);
    }
  });

  it('refuses a statistic that some resample does not have', () => {
    expect(() => bootstrapStatistic(3, () => Number.NaN, { seed: 1 })).toThrow(
      'expected a finite statistic of every resample, got NaN',
    );
  });
});
