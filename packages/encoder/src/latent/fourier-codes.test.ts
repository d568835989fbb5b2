import { describe, expect, it } from 'vitest';
import { codeWidth, fourierCodes, gridPositions, positionsOf } from './fourier-codes.ts';

describe('positions of tokens', () => {
  it('run from -1 to 1 on each axis, the last one fastest; one token stands in the middle', () => {
    expect(Array.from(gridPositions([2, 3]).coordinates)).toEqual([
      ...[-1, -1, -1, 0, -1, 1],
      ...[1, -1, 1, 0, 1, 1],
    ]);
    expect(gridPositions([1, 2, 1])).toEqual({ axes: 3, coordinates: Float32Array.of(0, -1, 0, 0, 1, 0) });
  });

  it('are brought to that range from whole numbers, a lone axis by the longest sequence where it is known', () => {
    expect(positionsOf(2, [0, 0, 0, 4, 1, 0, 1, 4])).toEqual({
      axes: 2,
      coordinates: Float32Array.of(-1, -1, -1, 1, 1, -1, 1, 1),
    });
    expect(positionsOf(1, [0, 1, 2], 5).coordinates).toEqual(Float32Array.of(-1, -0.5, 0));
    expect(positionsOf(1, [0]).coordinates).toEqual(Float32Array.of(0));
  });

  it('are coded by sines, cosines and themselves', () => {
    // Frequencies 1, 2 and 3 (of 1 to 6 / 2): at 1/2 the angles are pi/2, pi and 3 pi/2; at -1 odd and even multiples of pi.
    const codes = fourierCodes({ coordinates: Float32Array.of(0.5, -1) }, { bands: 3, maximalFrequency: 6 });
    const expected = [1, 0, -1, 0, -1, 0, 0.5, 0, 0, 0, -1, 1, -1, -1];
    expect(codes).toHaveLength(2 * codeWidth(1, { bands: 3 }));
    codes.forEach((value, at) => expect(value).toBeCloseTo(expected[at] ?? Number.NaN, 6));
  });
});
