import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { smoothCurve, thinCurve, type CurvePoint } from './curve.ts';

const curve = (values: readonly number[]): CurvePoint[] => values.map((y, x) => ({ x, y }));

describe('smoothCurve', () => {
  it('weights neighbours by a Gaussian, rescaled at the ends', () => {
    const near = Math.exp(-0.5);
    const far = Math.exp(-2);
    const smooth = smoothCurve(curve([0, 0, 1, 0, 0]), 1).map(({ y }) => y);
    // Middle: 1 / (1 + 2 e^-1/2 + 2 e^-2). First: weights 1, e^-1/2, e^-2, e^-9/2 over points 0 to 3.
    expect(smooth[2]).toBeCloseTo(1 / (1 + 2 * near + 2 * far), 12);
    expect(smooth[0]).toBeCloseTo(far / (1 + near + far + Math.exp(-4.5)), 12);
    expect(smooth[0]).toBeCloseTo(smooth[4] ?? NaN, 12);
  });

  it('keeps constants, straight lines away from the ends, and the range', () => {
    const value = fc.double({ min: -5, max: 5, noNaN: true });
    fc.assert(
      fc.property(value, value, fc.array(value, { minLength: 1, maxLength: 60 }), (offset, slope, noise) => {
        const flat = smoothCurve(curve(noise.map(() => offset)), 3);
        for (const { y } of flat) expect(y).toBeCloseTo(offset, 9);
        const line = smoothCurve(curve(Array.from({ length: 40 }, (_, x) => offset + slope * x)), 3);
        for (const { x, y } of line.slice(10, 30)) expect(y).toBeCloseTo(offset + slope * x, 9);
        for (const { y } of smoothCurve(curve(noise), 2)) {
          expect(y).toBeGreaterThanOrEqual(Math.min(...noise) - 1e-9);
          expect(y).toBeLessThanOrEqual(Math.max(...noise) + 1e-9);
        }
      }),
    );
  });

  it('does not lag: a drop stays where it was', () => {
    const smooth = smoothCurve(
      curve(Array.from({ length: 41 }, (_, x) => (x < 20 ? 1 : x === 20 ? 0.5 : 0))),
      4,
    );
    expect(smooth[20]?.y).toBeCloseTo(0.5, 9);
  });

  it('passes over values that are not finite, and refuses a width below 0', () => {
    expect(smoothCurve(curve([1, NaN, 1]), 1)[1]?.y).toBeCloseTo(1, 12);
    expect(() => smoothCurve([], -1)).toThrow('smoothCurve: expected a width of at least 0 points, got -1');
  });
});

describe('thinCurve', () => {
  it('keeps the ends and the extremes within its limit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -9, max: 9, noNaN: true }), { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 4, max: 40 }),
        (values, limit) => {
          const thin = thinCurve(curve(values), limit);
          expect(thin.length).toBeLessThanOrEqual(Math.max(limit, Math.min(values.length, limit)));
          expect(thin[0]?.x).toBe(0);
          expect(thin.at(-1)?.x).toBe(values.length - 1);
          const kept = thin.map(({ y }) => y);
          expect(Math.min(...kept)).toBe(Math.min(...values));
          expect(Math.max(...kept)).toBe(Math.max(...values));
          expect(thin.map(({ x }) => x)).toEqual([...thin.map(({ x }) => x)].sort((a, b) => a - b));
        },
      ),
    );
  });
});
