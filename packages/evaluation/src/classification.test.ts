import { ConfigError, ShapeError } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import { accuracy, argmaxRows } from './classification.ts';

describe('argmaxRows', () => {
  it('finds the best score of each row', () => {
    expect([...argmaxRows([0.5, 0.4, 0.3, 0.9, 0.1, 0.2, -3, -2, -Infinity], 3)]).toEqual([0, 0, 1]);
  });

  it('draws one of equally good classes by seed and row, so that the first is no favourite', () => {
    // 600 rows of six equal scores, 60 % of the labels in the first class: a guess has 1/6, deviation 0.015.
    const labels = Array.from({ length: 600 }, (_, i) => (i < 360 ? 0 : 1 + (i % 5)));
    const predicted = argmaxRows(new Float32Array(3600), 6);
    expect(Math.abs(accuracy(predicted, labels).value - 1 / 6)).toBeLessThan(0.05);
    expect([...argmaxRows(new Float32Array(3600), 6)]).toEqual([...predicted]);
    expect([...argmaxRows(new Float32Array(3600), 6, { seed: 2 })]).not.toEqual([...predicted]);
    // Only the best ones are drawn from.
    expect(
      new Set(
        argmaxRows(
          Float32Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? 0 : 1)),
          3,
        ),
      ),
    ).toEqual(new Set([1, 2]));
  });

  it('refuses NaN and wrong sizes', () => {
    expect(() => argmaxRows([Number.NaN, 1], 2)).toThrow(ConfigError);
    expect(() => argmaxRows([0, 1, 2], 2)).toThrow('expected rows of 2 scores, got 3 values');
    expect(() => argmaxRows([0, 1, 2], 0)).toThrow(ShapeError);
  });
});

describe('accuracy', () => {
  it('refuses wrong sizes and no samples', () => {
    expect(() => accuracy([1], [1, 2])).toThrow('got 1 predictions and 2 labels');
    expect(() => accuracy([], [])).toThrow('expected at least one sample, got none; is the split empty?');
  });
});
