import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createScale } from './scale.ts';
import { formatNumber, formatTicks, linearTicks, logTicks } from './ticks.ts';

describe('linearTicks', () => {
  it('are round', () => {
    expect(linearTicks(0, 10)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(linearTicks(0.131, 0.219)).toEqual([0.14, 0.16, 0.18, 0.2]);
    expect(linearTicks(-7, 2200)).toEqual([0, 500, 1000, 1500, 2000]);
    expect(linearTicks(3, 3)).toEqual([3]);
    expect(linearTicks(NaN, 3)).toEqual([]);
  });

  it('lie in the range, evenly, and neither few nor many', () => {
    const bound = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(
        bound,
        fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
        fc.integer({ min: 2, max: 9 }),
        (low, length, count) => {
          const ticks = linearTicks(low, low + length, count);
          expect(ticks.length).toBeLessThanOrEqual(2 * count + 1);
          expect(ticks.length).toBeGreaterThanOrEqual(Math.floor(count / 2.5));
          const steps = ticks.slice(1).map((tick, at) => tick - (ticks[at] ?? 0));
          for (const step of steps) expect(step).toBeCloseTo(steps[0] ?? 0, 6);
          for (const tick of ticks) {
            expect(tick).toBeGreaterThanOrEqual(low - 1e-6 * length);
            expect(tick).toBeLessThanOrEqual(low + length + 1e-6 * length);
          }
        },
      ),
    );
  });
});

describe('logTicks', () => {
  it('are powers of ten, or finer where those are few', () => {
    expect(logTicks(0.5, 2000)).toEqual([1, 10, 100, 1000]);
    expect(logTicks(2, 30)).toEqual([2, 5, 10, 20]);
    expect(logTicks(5.2, 6.1)).toEqual([5.5, 6]);
    expect(logTicks(1e-9, 1e9).length).toBeLessThanOrEqual(7);
    expect(logTicks(0, 9)).toEqual([]);
  });
});

describe('numbers as text', () => {
  it('are short', () => {
    const cases: readonly (readonly [number, string])[] = [
      [0, '0'],
      [0.25, '0.25'],
      [-3.14159, '\u22123.14'],
      [1500, '1500'],
      [9994, '9994'],
      [9996, '10k'],
      [88344, '88.3k'],
      [999_499, '999k'],
      [999_500, '1M'],
      [2e9, '2G'],
      [1e-5, '1e-5'],
      [NaN, '-'],
    ];
    for (const [value, words] of cases) expect(formatNumber(value), String(value)).toBe(words);
  });

  it('have the same decimals on one axis, and never the same text twice', () => {
    expect(formatTicks([0.1, 0.15, 0.2])).toEqual(['0.10', '0.15', '0.20']);
    expect(formatTicks([1.658, 1.66, 1.662])).toEqual(['1.658', '1.660', '1.662']);
    expect(formatTicks([-10000, 0, 10000])).toEqual(['\u221210k', '0', '10k']);
    expect(formatTicks([7])).toEqual(['7']);
    fc.assert(
      fc.property(
        fc.double({ min: -1e4, max: 1e4, noNaN: true }),
        fc.double({ min: 1e-2, max: 1e6, noNaN: true }),
        (low, length) => {
          const labels = formatTicks(linearTicks(low, low + length));
          expect(new Set(labels).size).toBe(labels.length);
        },
      ),
    );
  });
});

describe('createScale', () => {
  it('puts the ends of its domain on the ends of its range', () => {
    const scale = createScale([2, 4, 10], { range: [100, 0] });
    expect([scale.at(2), scale.at(6), scale.at(10)]).toEqual([100, 50, 0]);
    const log = createScale([1, -5, 100], { kind: 'log', range: [0, 10] });
    expect(log.domain).toEqual([1, 100]);
    expect(log.at(10)).toBeCloseTo(5, 12);
    expect(log.at(0)).toBeNaN();
  });

  it('widens to round values when asked, with a tick at each end', () => {
    const scale = createScale([1.657, 1.668], { range: [0, 1], tickCount: 4, nice: true });
    expect(scale.domain).toEqual([1.655, 1.67]);
    expect(scale.labels).toEqual(['1.655', '1.660', '1.665', '1.670']);
  });

  it('makes room around a single value', () => {
    expect(createScale([4], { range: [0, 10] }).at(4)).toBe(5);
    expect(createScale([0], { range: [0, 10] }).domain).toEqual([-1, 1]);
    expect(createScale([4], { kind: 'log', range: [0, 10] }).at(4)).toBeCloseTo(5, 12);
  });

  it('refuses to scale nothing', () => {
    expect(() => createScale([NaN], { range: [0, 1] })).toThrow(
      'scale: expected at least one finite value, got none; leave an empty chart out',
    );
    expect(() => createScale([-1, 0], { kind: 'log', range: [0, 1] })).toThrow('at least one positive value');
  });
});
