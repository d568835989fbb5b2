import { describe, expect, it } from 'vitest';
import { logSoftmaxRows, softmaxRows } from './scores.ts';

describe('softmaxRows', () => {
  it('is the share of each candidate of its row', () => {
    // e^0 and e^(ln 3) of 1 + 3; minus infinity, the logarithm of 0, has no share.
    const rows = Float32Array.of(0, Math.log(3), -Infinity, 5, 5, 5);
    expect(Array.from(softmaxRows(rows, 3), (share) => Math.round(share * 1e6) / 1e6)).toEqual([
      0.25, 0.75, 0, 0.333333, 0.333333, 0.333333,
    ]);
    expect(logSoftmaxRows(Float32Array.of(0, 0), 2)[1]).toBeCloseTo(-Math.LN2);
  });

  it('refuses what is no score, and rows of another width', () => {
    for (const scores of [
      [1, NaN],
      [Infinity, 0],
      [-Infinity, -Infinity],
    ]) {
      for (const softmax of [softmaxRows, logSoftmaxRows]) {
        expect(() => softmax(Float32Array.of(0, 0, ...scores), 2)).toThrow(
          /^softmax: expected finite scores of candidates, got -?(?:NaN|Infinity) in row 1; has the model diverged\?$/u,
        );
      }
    }
    expect(() => softmaxRows(new Float32Array(3), 2)).toThrow(
      'softmax: expected scores [N, 2], got 3 values',
    );
  });
});
