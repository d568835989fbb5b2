import { describe, expect, it } from 'vitest';
import { measurePair, median } from './pair.ts';

describe('median', () => {
  it('is the middle one, or the mean of the two in the middle', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 9, 2])).toBe(3);
    expect(median([])).toBeNaN();
  });
});

describe('measurePair', () => {
  it('takes turns, drops the warm-up, and compares each A with the B beside it', async () => {
    const order: string[] = [];
    const side = (name: string, seconds: readonly number[]) => {
      let turn = 0;
      return {
        name,
        run: () => {
          order.push(name);
          turn += 1;
          return Promise.resolve(seconds[turn - 1] ?? Number.NaN);
        },
      };
    };
    const line = await measurePair(side('a', [100, 1, 2, 4]), side('b', [1, 2, 2, 20]), {
      name: 'made-up',
      validated: 'nothing',
      pairs: 3,
      warmup: 1,
    });
    expect(order.join('')).toBe('abababab');
    // Ratios 2/1, 2/2, 20/4; medians of 1 2 4 and of 2 2 20.
    expect(line).toEqual({
      case: 'made-up',
      a: 'a',
      b: 'b',
      aSeconds: 2,
      bSeconds: 2,
      ratioMedian: 2,
      ratioMin: 1,
      ratioMax: 5,
      pairs: 3,
      validated: 'nothing',
    });
  });
});
