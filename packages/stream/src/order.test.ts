import { ConfigError } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchCount, createPermutation, globalBatch, permute, rankSlice } from './order.ts';

const sorted = (numbers: readonly number[]): number[] => [...numbers].sort((a, b) => a - b);
const range = (size: number): number[] => Array.from({ length: size }, (_, i) => i);

describe('permutation', () => {
  it('is a bijection of 0 .. size - 1 for every size, seed and epoch', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 700 }), fc.nat(), fc.nat({ max: 50 }), (size, seed, epoch) => {
        const images = range(size).map((index) => permute(index, { seed, epoch, size }));
        expect(sorted(images)).toEqual(range(size));
      }),
    );
  });

  it('stays below sizes far beyond 32 bits and does not collide there', () => {
    const size = 2 ** 45 + 12345;
    const permutation = createPermutation({ seed: 1, epoch: 0, size });
    const images = range(2000).map((i) => permutation(size - 1 - i));
    expect(new Set(images).size).toBe(2000);
    expect(images.every((image) => Number.isSafeInteger(image) && image >= 0 && image < size)).toBe(true);
    // A permutation that left large indices alone would keep their mean near size: a random one halves it.
    const mean = images.reduce((sum, image) => sum + image / size, 0) / images.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.05);
  });

  it('depends on seed and on epoch, and leaves few points fixed', () => {
    const size = 1000;
    const order = (seed: number, epoch: number) => range(size).map(createPermutation({ seed, epoch, size }));
    const agreeing = (a: number[], b: number[]) => a.filter((value, i) => value === b[i]).length;
    // Two random permutations agree in one place on average, and in more than 12 about once in 10 ** 10 cases.
    for (const [a, b] of [
      [order(1, 0), order(2, 0)],
      [order(1, 0), order(1, 1)],
      [order(1, 0), range(size)],
    ] as const) {
      expect(agreeing(a, b)).toBeLessThan(12);
    }
  });

  it('spreads each position evenly over seeds', () => {
    // 6 orders of 3 samples; 6000 seeds: 1000 each expected, standard deviation 29.
    const counts = new Map<string, number>();
    for (let seed = 0; seed < 6000; seed += 1) {
      const key = range(3)
        .map(createPermutation({ seed, epoch: 0, size: 3 }))
        .join('');
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(200);
  });

  it('refuses an index outside and an empty data set', () => {
    expect(() => permute(5, { seed: 0, epoch: 0, size: 5 })).toThrow(
      'order: expected an index of 0 to 4, got 5',
    );
    expect(() => permute(0, { seed: 0, epoch: 0, size: 0 })).toThrow(
      'order: expected a size of at least 1 sample, got 0; is the data set empty?',
    );
  });
});

describe('global batches', () => {
  it('follow each other over epochs without a gap: hand golden', () => {
    // 5 samples, batches of 3, as they lie: 0 1 2 | 3 4 0 | 1 2 3 | 4 and the end of the second epoch.
    const order = { seed: 0, size: 5, batchSize: 3, shuffle: false, epochs: 2 };
    expect(batchCount(order)).toBe(4);
    expect(range(4).map((step) => globalBatch(step, order))).toEqual([[0, 1, 2], [3, 4, 0], [1, 2, 3], [4]]);
    expect(() => globalBatch(4, order)).toThrow(
      'order: expected a batch of 0 to 3, got 4; the epochs asked for are over',
    );
  });

  it('hold each sample once in every epoch, also where batches straddle epochs', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 80 }),
        fc.nat(),
        (size, batchSize, seed) => {
          const order = { seed, size, batchSize, epochs: 3 };
          const all = range(batchCount(order)).flatMap((step) => globalBatch(step, order));
          expect(all.length).toBe(3 * size);
          for (const epoch of range(3)) {
            expect(sorted(all.slice(epoch * size, (epoch + 1) * size))).toEqual(range(size));
          }
        },
      ),
    );
  });

  it('are the same wherever one resumes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat({ max: 40 }),
        (size, batchSize, from) => {
          const order = { seed: 7, size, batchSize };
          const whole = range(from + 5).map((step) => globalBatch(step, order));
          const resumed = range(5).map((step) => globalBatch(from + step, order));
          expect(resumed).toEqual(whole.slice(from));
        },
      ),
    );
  });

  it('are equal for 1, 2 and 4 ranks', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 8 }),
        fc.nat({ max: 99 }),
        (size, quarter, step) => {
          const batch = globalBatch(step, { seed: 11, size, batchSize: 4 * quarter });
          for (const ranks of [1, 2, 4]) {
            const parts = range(ranks).map((rank) => rankSlice(batch, rank, ranks));
            expect(parts.flat()).toEqual(batch);
            expect(new Set(parts.map((part) => part.length)).size).toBe(1);
          }
        },
      ),
    );
  });

  it('refuse ranks that are none', () => {
    expect(() => rankSlice([1, 2], 2, 2)).toThrow(ConfigError);
    expect(() => globalBatch(0, { seed: 0, size: 3, batchSize: 0 })).toThrow(
      'order: expected a batchSize of 1 to 16777216, got 0',
    );
  });
});
