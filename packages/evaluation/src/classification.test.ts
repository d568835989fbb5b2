import { ConfigError, ShapeError } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  accuracy,
  argmaxRows,
  classF1,
  confusionMatrix,
  labelRanks,
  macroF1,
  matthewsCorrelation,
  topKAccuracy,
} from './classification.ts';

describe('ranks and top-k', () => {
  it('count the better scores, and equal ones of lower index', () => {
    // Row 0: label 2 scores 0.3, better are 0.5 and 0.4: rank 2. Row 1: label 0 is best. Row 2: all equal, label 1: rank 1.
    const scores = [0.5, 0.4, 0.3, 0.9, 0.1, 0.2, 0.7, 0.7, 0.7];
    expect([...labelRanks(scores, [2, 0, 1])]).toEqual([2, 0, 1]);
    expect(topKAccuracy(scores, [2, 0, 1], 1).value).toBeCloseTo(1 / 3, 12);
    expect(topKAccuracy(scores, [2, 0, 1], 2).value).toBeCloseTo(2 / 3, 12);
    expect([...topKAccuracy(scores, [2, 0, 1], 2).perSample]).toEqual([0, 1, 1]);
    expect([...argmaxRows(scores, 3)]).toEqual([0, 0, 0]);
  });

  it('give a model that scores everything alike no more than chance', () => {
    const labels = Int32Array.from({ length: 40 }, (_, i) => i % 10);
    expect(topKAccuracy(new Float32Array(400), labels, 1).value).toBe(0.1);
    expect(topKAccuracy(new Float32Array(400), labels, 5).value).toBe(0.5);
  });

  it('agree with sorting', () => {
    const row = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(fc.tuple(row, fc.nat(3)), { minLength: 1 }), (samples) => {
        const ranks = labelRanks(
          samples.flatMap(([scores]) => scores),
          samples.map(([, label]) => label),
        );
        for (const [i, [scores, label]] of samples.entries()) {
          const order = [0, 1, 2, 3].sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
          expect(ranks[i]).toBe(order.indexOf(label));
          expect(argmaxRows(scores, 4)[0]).toBe(order[0]);
        }
      }),
    );
  });

  it('refuse NaN, wrong labels and wrong sizes', () => {
    expect(() => labelRanks([0, Number.NaN], [0])).toThrow(
      'expected numbers, got NaN for sample 0, class 1; has the model diverged?',
    );
    expect(() => argmaxRows([Number.NaN, 1], 2)).toThrow(ConfigError);
    expect(() => labelRanks([0, 1], [2])).toThrow('expected labels from 0 to 1, got 2 for sample 0');
    expect(() => labelRanks([0, 1, 2], [0, 1])).toThrow(ShapeError);
    expect(() => argmaxRows([0, 1, 2], 2)).toThrow('expected rows of 2 scores, got 3 values');
    expect(() => accuracy([1], [1, 2])).toThrow('got 1 predictions and 2 labels');
    expect(() => accuracy([], [])).toThrow('expected at least one sample, got none; is the split empty?');
  });
});

describe('confusion', () => {
  // Labels 0 0 0 1 1 2, predictions 0 0 1 1 2 1:
  //   label 0: 2 right, 1 as class 1; label 1: 1 right, 1 as class 2; label 2: as class 1.
  const confusion = confusionMatrix([0, 0, 1, 1, 2, 1], [0, 0, 0, 1, 1, 2], 3);

  it('counts labels by row and predictions by column', () => {
    expect([...confusion]).toEqual([2, 1, 0, 0, 1, 1, 0, 1, 0]);
    expect(() => confusionMatrix([3], [0], 3)).toThrow('expected classes from 0 to 2, got 3 for sample 0');
  });

  it('gives F1 by class and their mean', () => {
    // Class 0: 2 * 2 / (3 + 2) = 0.8. Class 1: 2 * 1 / (2 + 3) = 0.4. Class 2: 0 / (1 + 1) = 0. Mean 0.4.
    expect([...classF1(confusion)]).toEqual([0.8, 0.4, 0]);
    expect(macroF1(confusion)).toBeCloseTo(0.4, 12);
    // A class that neither occurs nor is predicted does not count: (1 + 1) / 2.
    expect(macroF1(confusionMatrix([0, 2], [0, 2], 3))).toBe(1);
  });

  it('gives the Matthews correlation', () => {
    // Binary: 6 hits, 1 miss of class 0; 2 misses, 3 hits of class 1. (6*3 - 1*2) / sqrt(7 * 5 * 8 * 4) = 16 / sqrt(1120).
    expect(matthewsCorrelation(Int32Array.of(6, 1, 2, 3))).toBeCloseTo(16 / Math.sqrt(1120), 12);
    expect(matthewsCorrelation(Int32Array.of(5, 0, 0, 5))).toBe(1);
    expect(matthewsCorrelation(Int32Array.of(0, 5, 5, 0))).toBe(-1);
    expect(matthewsCorrelation(Int32Array.of(5, 0, 5, 0))).toBe(0);
    expect(() => matthewsCorrelation(Int32Array.of(1, 2, 3))).toThrow(
      'expected classes x classes counts, got 3',
    );
  });
});
