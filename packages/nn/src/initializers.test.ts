import { createRandom } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { initialValues } from './initializers.ts';

const moments = (values: Float32Array): { mean: number; deviation: number } => {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const square = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(square) };
};

describe('initialValues', () => {
  it('fills constants without drawing', () => {
    const random = createRandom(1);
    const before = random.state();
    expect([...initialValues([2, 2], { kind: 'zeros' }, random)]).toEqual([0, 0, 0, 0]);
    expect([...initialValues([3], { kind: 'ones' }, random)]).toEqual([1, 1, 1]);
    expect([...initialValues([], { kind: 'constant', value: 0.5 }, random)]).toEqual([0.5]);
    expect(random.state()).toEqual(before);
  });

  it('draws Xavier-uniform within its bound, with its variance', () => {
    // fans 30 and 50: bound sqrt(6 / 80) = 0.273861; a uniform has deviation bound / sqrt(3) = 0.158114
    const values = initialValues([50, 30], { kind: 'xavierUniform' }, createRandom(3));
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(0.273862);
    expect(Math.max(...values)).toBeGreaterThan(0.27);
    expect(Math.min(...values)).toBeLessThan(-0.27);
    const { mean, deviation } = moments(values);
    expect(Math.abs(mean)).toBeLessThan(0.015);
    expect(deviation).toBeCloseTo(0.158114, 1);
  });

  it('treats a fused projection as square matrices when told its fans', () => {
    // [3D, D] with D = 64: sqrt(6 / 128) = 0.216506 as three squares, sqrt(6 / 256) = 0.153093 as one matrix
    const fused = initialValues([192, 64], { kind: 'xavierUniform', fans: [64, 64] }, createRandom(4));
    const single = initialValues([192, 64], { kind: 'xavierUniform' }, createRandom(4));
    expect(Math.max(...fused)).toBeCloseTo(0.216506, 3);
    expect(Math.max(...single)).toBeCloseTo(0.153093, 3);
  });

  it('draws normals of the asked deviation, with the fourth moment of a normal', () => {
    const values = initialValues([20_001], { kind: 'normal', std: 0.5 }, createRandom(5));
    const { mean, deviation } = moments(values);
    expect(Math.abs(mean)).toBeLessThan(0.012);
    expect(deviation).toBeCloseTo(0.5, 1);
    // E[x^4] = 3 sigma^4 = 0.1875; the deviation of its estimate is sqrt(96) sigma^4 / sqrt(n) = 0.0043
    const fourth = values.reduce((sum, x) => sum + x ** 4, 0) / values.length;
    expect(Math.abs(fourth - 0.1875)).toBeLessThan(0.02);
    expect(moments(initialValues([20_000], { kind: 'normal' }, createRandom(6))).deviation).toBeCloseTo(
      0.02,
      3,
    );
  });

  it('draws evenly within the asked bound', () => {
    const values = initialValues([30_000], { kind: 'uniform', bound: 0.25 }, createRandom(8));
    const { mean, deviation } = moments(values);
    expect(Math.abs(mean)).toBeLessThan(0.005);
    // The deviation of U(-b, b) is b / sqrt(3) = 0.1443
    expect(deviation).toBeCloseTo(0.1443, 2);
    expect(Math.max(...values)).toBeLessThan(0.25);
    expect(Math.max(...values)).toBeGreaterThan(0.249);
    expect(Math.min(...values)).toBeLessThan(-0.249);
  });

  it('never draws anything but finite numbers, and the same ones for the same seed', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 1, max: 65 }),
        fc.constantFrom(
          { kind: 'normal' } as const,
          { kind: 'uniform', bound: 0.1 } as const,
          { kind: 'xavierUniform', fans: [7, 3] } as const,
        ),
        (seed, size, initializer) => {
          const a = initialValues([size], initializer, createRandom(seed));
          const b = initialValues([size], initializer, createRandom(seed));
          return a.every(Number.isFinite) && a.every((x, i) => x === b[i]);
        },
      ),
    );
  });

  it('says what to do when fans cannot be derived', () => {
    expect(() => initialValues([2, 3, 4], { kind: 'xavierUniform' }, createRandom(1))).toThrow(
      'xavierUniform: expected a rank-2 shape [out, in] or explicit fans, got shape [2, 3, 4]; give fans: [in, out]',
    );
  });
});
