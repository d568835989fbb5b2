import { describe, expect, it } from 'vitest';
import { interpolatedRows } from './interpolated-rows.ts';

const rowsOf = (table: Float32Array, rowSize: number): number[][] =>
  Array.from({ length: table.length / rowSize }, (_, row) => [
    ...table.subarray(row * rowSize, (row + 1) * rowSize),
  ]);

describe('interpolatedRows', () => {
  it('stand between those of the start', () => {
    // Four rows of two: the middles of two rows lie at 0.5 and 2.5 of the start's.
    const four = Float32Array.of(0, 8, 2, 6, 4, 4, 8, 0);
    expect(rowsOf(interpolatedRows(four, { rows: 2, rowSize: 2 }), 2)).toEqual([
      [1, 7],
      [6, 2],
    ]);
    // Two rows made four: -0.25, 0.25, 0.75 and 1.25, of which the outer ones are cut off.
    const two = Float32Array.of(0, 8, 4, 0);
    expect(rowsOf(interpolatedRows(two, { rows: 4, rowSize: 2 }), 2)).toEqual([
      [0, 8],
      [1, 6],
      [3, 2],
      [4, 0],
    ]);
    expect(interpolatedRows(four, { rows: 4, rowSize: 2 })).toEqual(four);
    expect(rowsOf(interpolatedRows(Float32Array.of(5, 6), { rows: 3, rowSize: 2 }), 2)).toEqual([
      [5, 6],
      [5, 6],
      [5, 6],
    ]);
  });
});
