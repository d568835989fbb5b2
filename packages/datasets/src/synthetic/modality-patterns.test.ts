import { describe, expect, it } from 'vitest';
import { createPatternSampler, shownClass, type PatternOptions } from './modality-patterns.ts';

const options: PatternOptions = {
  inputs: { force: { shape: [8, 2] }, depth: { shape: [4, 4], prototypes: 3 }, table: { shape: [5] } },
  classes: 4,
  noise: 0,
  seed: 3,
};
const samplesOf = (change: Partial<PatternOptions>, count = 60) => {
  const sample = createPatternSampler({ ...options, ...change });
  return Array.from({ length: count }, (_, i) => sample('train', i));
};
const distinct = (change: Partial<PatternOptions>, input: string): number =>
  new Set(samplesOf(change).flatMap(({ values }) => (values[input] ? [values[input].join()] : []))).size;

describe('made-up modalities', () => {
  it('are a function of seed, split and index', () => {
    const [one, two] = [createPatternSampler(options), createPatternSampler(options)];
    two('test', 0);
    expect(two('train', 5)).toEqual(one('train', 5));
    expect(two('train', 5)).not.toEqual(one('test', 5));
    expect(createPatternSampler({ ...options, seed: 4 })('train', 5)).not.toEqual(one('train', 5));
  });

  it('show a pattern for each class and prototype, without noise', () => {
    expect(distinct({}, 'force')).toBe(4);
    expect(distinct({}, 'depth')).toBe(12);
    const [first] = samplesOf({});
    // Steps from 0 to 1: a sum of a step's and a feature's turns, from the same phase.
    expect(first?.values['force']).toHaveLength(16);
    expect(first?.values['table']).toHaveLength(5);
    expect(distinct({ noise: 0.1 }, 'force')).toBe(60);
  });

  it('mean other classes in other modalities as far as they conflict', () => {
    const rule = { classes: 4, conflict: 0.75 };
    // Three classes turn by the place of the modality, the fourth stays.
    expect([0, 1, 2, 3].map((label) => shownClass(label, 0, rule))).toEqual([0, 1, 2, 3]);
    expect([0, 1, 2, 3].map((label) => shownClass(label, 1, rule))).toEqual([1, 2, 0, 3]);
    expect([0, 1, 2, 3].map((label) => shownClass(label, 2, { classes: 4 }))).toEqual([0, 1, 2, 3]);
  });

  it('may be missing, never all of a sample', () => {
    const counts = samplesOf({ missing: 0.5 }, 200).map(({ values }) => Object.keys(values).length);
    expect(Math.min(...counts)).toBe(1);
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    // One of three is always there, the others by halves.
    expect(Math.abs(mean - 2)).toBeLessThan(0.25);
    expect(() => createPatternSampler({ ...options, conflict: 2 })).toThrow(
      'synthetic modalities: expected one input or more, conflict in [0, 1] and missing in [0, 1), got 3, 2 and 0',
    );
  });
});
