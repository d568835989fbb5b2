import { createBatchRandom, createRandom } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import { fieldWords, normalField } from './normal-field.ts';

/** The standard normal distribution function (Abramowitz & Stegun 7.1.26, error below 1e-7). */
const distribution = (x: number): number => {
  const t = 1 / (1 + (0.3275911 * Math.abs(x)) / Math.SQRT2);
  const poly =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const tail = 0.5 * poly * Math.exp((-x * x) / 2);
  return x < 0 ? tail : 1 - tail;
};

describe('normalField', () => {
  it('is normal: the largest gap to the distribution function is one of chance', () => {
    const n = 200_000;
    const sorted = normalField(n, 1, fieldWords(createRandom(1), 1)).sort();
    let gap = 0;
    sorted.forEach((x, i) => {
      gap = Math.max(gap, Math.abs(distribution(x) - (i + 0.5) / n));
    });
    // Kolmogorov: above 1.95 / sqrt(n) in one of a thousand seeds.
    expect(gap).toBeLessThan(1.95 / Math.sqrt(n));
    // Beyond the lowest layer's edge 3.4426: n * 5.76e-4 = 115 on both sides, standard deviation 10.7.
    const far = sorted.filter((x) => Math.abs(x) > 3.442619855899).length;
    expect(Math.abs(far - 115)).toBeLessThan(3 * 10.7);
  });

  it('is scaled, repeats with its seed, and takes four words of the stream', () => {
    const random = createRandom(2);
    const twin = createRandom(2);
    const field = normalField(50_000, 0.125, fieldWords(random, 5));
    const again = normalField(50_000, 1, fieldWords(twin, 5)).map((x) => x * 0.125);
    expect(field).toEqual(again);
    expect(random.state()).toEqual(twin.state());
    const deviation = Math.sqrt(field.reduce((sum, x) => sum + x * x, 0) / field.length);
    expect(deviation).toBeCloseTo(0.125, 2);
    const other = createRandom(2);
    for (let i = 0; i < 4; i += 1) other.uint32();
    expect(other.state()).toEqual(random.state());
  });

  it('does not repeat within itself', () => {
    // Blocks of 4,096 have streams of their own.
    const field = normalField(20_000, 1, fieldWords(createRandom(3), 2));
    for (const lag of [1, 2, 7, 64, 4096]) {
      let sum = 0;
      for (let i = lag; i < field.length; i += 1) sum += (field[i] ?? 0) * (field[i - lag] ?? 0);
      expect(Math.abs(sum / field.length)).toBeLessThan(4 / Math.sqrt(field.length));
    }
  });

  it('is that of each sample, whatever part of the batch stands beside it', () => {
    const each = 5000;
    const draw = (samples: number, first: number): Float32Array => {
      const [sampleStream, step] = [createRandom(1), createRandom(2)];
      return normalField(
        samples * each,
        1,
        fieldWords(createBatchRandom({ samples: sampleStream, step, first }), samples),
      );
    };
    const whole = draw(4, 8);
    expect(whole.subarray(0, 2 * each)).toEqual(draw(2, 8));
    expect(whole.subarray(2 * each)).toEqual(draw(2, 10));
    expect(whole.subarray(0, each)).not.toEqual(whole.subarray(each, 2 * each));
  });
});
