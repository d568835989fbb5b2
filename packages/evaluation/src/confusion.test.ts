import { describe, expect, it } from 'vitest';
import { chanceMacroF1 } from './chance.ts';
import {
  classF1,
  confusionMatrix,
  expectedConfusion,
  macroF1,
  macroF1Statistic,
  matthewsCorrelation,
} from './confusion.ts';

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

describe('expected confusion', () => {
  it('shares a sample among its equally good classes', () => {
    // Sample 0, label 0: classes 0 and 2 tie, a half each. Sample 1, label 1: class 1 alone.
    const counts = expectedConfusion([0.5, 0.1, 0.5, 0, 1, 0], [0, 1]);
    expect([...counts]).toEqual([0.5, 0, 0.5, 0, 1, 0, 0, 0, 0]);
    // F1: 2 * 0.5 / (1 + 0.5), 1, 0 / 0.5; mean (2/3 + 1 + 0) / 3.
    expect(macroF1(counts)).toBeCloseTo(5 / 9, 12);
    expect(macroF1Statistic([0.5, 0.1, 0.5, 0, 1, 0], [0, 1])([0, 1])).toBeCloseTo(5 / 9, 12);
    expect(() => expectedConfusion([0, Number.NaN], [0])).toThrow(
      'got NaN in row 0; has the model diverged?',
    );
    expect(() => expectedConfusion([0, 1], [2])).toThrow('expected classes from 0 to 1, got 2 for sample 0');
  });

  it('gives a model that scores everything alike the macro-F1 and the correlation of a guess', () => {
    // Sixty of a hundred in the first of six classes.
    const labels = Array.from({ length: 100 }, (_, i) => (i < 60 ? 0 : 1 + (i % 5)));
    const counts = expectedConfusion(new Float32Array(600), labels);
    expect(macroF1(counts)).toBeCloseTo(chanceMacroF1({ labels, classes: 6 }), 12);
    expect(matthewsCorrelation(counts)).toBeCloseTo(0, 12);
  });

  it('is the matrix of predictions where nothing ties, and macro-F1 of any samples that of theirs', () => {
    const labels = Array.from({ length: 30 }, (_, i) => (i * 7) % 4);
    const predicted = labels.map((label, i) => (i % 3 === 0 ? (label + 1) % 4 : label));
    const scores = predicted.flatMap((best) => [0, 1, 2, 3].map((c) => (c === best ? 1 : 0.1 * c)));
    expect([...expectedConfusion(scores, labels)]).toEqual([...confusionMatrix(predicted, labels, 4)]);
    const some = [3, 3, 5, 9, 20, 21, 22];
    const pick = (from: readonly number[]): number[] => some.map((i) => from[i] ?? 0);
    expect(macroF1Statistic(scores, labels)(some)).toBeCloseTo(
      macroF1(confusionMatrix(pick(predicted), pick(labels), 4)),
      12,
    );
  });
});
