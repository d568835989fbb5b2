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
