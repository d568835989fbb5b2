import { describe, expect, it } from 'vitest';
import { spatialPositions } from './positions.ts';

describe('spatialPositions', () => {
  it('has the sines and cosines of column and row', () => {
    // Width 8: two frequencies, 1 and 10000^(-1/2) = 0.01. The patch at row 1, column 2 is number 5 of 2 x 3.
    const table = spatialPositions({ rows: 2, columns: 3 }, 8);
    const expected = [
      Math.sin(2),
      Math.sin(0.02),
      Math.cos(2),
      Math.cos(0.02),
      Math.sin(1),
      Math.sin(0.01),
      Math.cos(1),
      Math.cos(0.01),
    ];
    expect([...table.subarray(5 * 8, 6 * 8)]).toEqual(expected.map(Math.fround));
    expect([...table.subarray(0, 8)]).toEqual([0, 0, 1, 1, 0, 0, 1, 1]);
  });

  it('carries 160 pixels over to 224: coordinates by 160 / 224, golden values', () => {
    // Patches of 16: a grid of 10 x 10, then of 14 x 14 whose coordinates are scaled by 10 / 14.
    const small = spatialPositions({ rows: 10, columns: 10 }, 16);
    const large = spatialPositions({ rows: 14, columns: 14 }, 16, 160 / 224);
    // Row 7, column 7 of 14 lies where row 5, column 5 of 10 does: 7 * 10 / 14 = 5.
    const at = (table: Float32Array, patch: number): readonly number[] => [
      ...table.subarray(patch * 16, patch * 16 + 16),
    ];
    at(large, 7 * 14 + 7).forEach((value, i) =>
      expect(value).toBeCloseTo(at(small, 5 * 10 + 5)[i] ?? NaN, 6),
    );
    // Row 3, column 13: y = 30 / 14, x = 130 / 14; frequencies 1, 0.1, 0.01, 0.001.
    const [x, y] = [130 / 14, 30 / 14];
    const frequencies = [1, 0.1, 0.01, 0.001];
    const expected = [
      ...frequencies.map((w) => Math.sin(x * w)),
      ...frequencies.map((w) => Math.cos(x * w)),
      ...frequencies.map((w) => Math.sin(y * w)),
      ...frequencies.map((w) => Math.cos(y * w)),
    ];
    at(large, 3 * 14 + 13).forEach((value, i) => expect(value).toBeCloseTo(expected[i] ?? NaN, 6));
    // The last patch stays inside what was trained on: 13 * 10 / 14 = 9.29, of 0 to 9 and half a patch.
    expect(13 * (160 / 224)).toBeLessThan(9.5);
  });

  it('scales coordinates: a grid of twice the size at half the scale passes through the same positions', () => {
    const small = spatialPositions({ rows: 2, columns: 2 }, 8);
    const large = spatialPositions({ rows: 4, columns: 4 }, 8, 0.5);
    const at = (table: Float32Array, patch: number): number[] => [
      ...table.subarray(patch * 8, patch * 8 + 8),
    ];
    expect(at(large, 2 * 4 + 2)).toEqual(at(small, 3));
    expect(at(large, 2)).toEqual(at(small, 1));
  });
});
