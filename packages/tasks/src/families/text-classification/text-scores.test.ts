import { describe, expect, it } from 'vitest';
import { textScoreReport } from './text-scores.ts';

/** Answers 1 1 0 0 1 to the labels 1 0 0 1 1: hits of class 1 are 2 of 3 samples and 3 answers. */
const given = {
  scores: Float32Array.of(0, 1, 0, 1, 1, 0, 1, 0, 0, 1),
  labels: [1, 0, 0, 1, 1],
  groups: ['a', 'b', 'c', 'd', 'e'],
  classes: 2,
};
const options = { task: 'mrpc', split: 'validation', seed: 1, answers: { majority: [1, 1, 1, 1, 1] } };

describe('textScoreReport', () => {
  it('has the F1 of the last class', () => {
    const { value, chance, baselines } = textScoreReport('F1', given, options);
    // 2 * 2 / (3 + 3); always 1: 2 * 3 / (3 + 5); an even guess: 2 * 1.5 / (3 + 2.5).
    expect(value).toBeCloseTo(4 / 6, 12);
    expect(baselines['majority']).toBeCloseTo(6 / 8, 12);
    expect(chance).toBeCloseTo(3 / 5.5, 12);
  });

  it('has the Matthews correlation, 0 for a guess and for one answer alone', () => {
    const { value, chance, baselines, interval } = textScoreReport('Matthews', given, options);
    // tp 2, tn 1, fp 1, fn 1: (2 - 1) / sqrt(3 * 3 * 2 * 2).
    expect(value).toBeCloseTo(1 / 6, 12);
    expect([chance, baselines['majority']]).toEqual([0, 0]);
    expect(interval[0]).toBeLessThan(value);
    expect(interval[1]).toBeGreaterThan(value);
  });
});
