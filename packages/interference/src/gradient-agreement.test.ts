import { describe, expect, it } from 'vitest';
import {
  generalisationGap,
  gradientBlend,
  gradientCosine,
  purityHistogram,
  signPurity,
  taskAffinity,
} from './gradient-agreement.ts';

describe('agreement of gradients', () => {
  it('is a cosine', () => {
    expect(gradientCosine([1, 2], [2, 4])).toBeCloseTo(1, 12);
    expect(gradientCosine([1, 0], [-3, 0])).toBeCloseTo(-1, 12);
    // (1, 1) and (1, 0): 1 / sqrt 2.
    expect(gradientCosine(Float32Array.of(1, 1), [1, 0])).toBeCloseTo(Math.SQRT1_2, 6);
    expect(gradientCosine([0, 0], [1, 2])).toBe(0);
    expect(() => gradientCosine([1], [1, 2])).toThrow('expected one or more of equal length, got 1, 2');
  });

  it('is a purity of signs by parameter', () => {
    // Sums 3 of 3, -1 of 3, 0 of 2, 0 of 0.
    const purity = signPurity([
      [1, 1, 1, 0],
      [2, -2, -1, 0],
    ]);
    expect(Array.from(purity.subarray(0, 3))).toEqual([1, (1 - 1 / 3) / 2, 0.5]);
    expect(purity[3]).toBeNaN();
    expect(purityHistogram(purity)).toEqual([0, 1 / 3, 1 / 3, 0, 1 / 3]);
    expect(purityHistogram([])).toEqual([0, 0, 0, 0, 0]);
  });

  it('says what a step does to another loss, and how losses generalise', () => {
    expect(taskAffinity(2, 1.5)).toBeCloseTo(0.25, 12);
    expect(taskAffinity(2, 3)).toBeCloseTo(-0.5, 12);
    expect(generalisationGap({ training: 0.5, validation: 0.75 })).toBeCloseTo(0.25, 12);
    // 1 / 0.5 and 1 / 0.25: weights 2 and 4.
    const blend = gradientBlend([
      { training: 0.5, validation: 1 },
      { training: 0.75, validation: 1 },
    ]);
    expect(blend[0]).toBeCloseTo(1 / 3, 12);
    expect(blend[1]).toBeCloseTo(2 / 3, 12);
    expect(
      gradientBlend([
        { training: 1, validation: 1 },
        { training: 0.5, validation: 1 },
      ]),
    ).toEqual([1, 0]);
  });
});
