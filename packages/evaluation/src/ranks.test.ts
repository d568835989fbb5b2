import { ShapeError } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accuracy } from './classification.ts';
import { expectedRanks, labelRanks, ranksOf, topK, topKAccuracy } from './ranks.ts';

/** All orders of the indices from 0. */
const ordersOf = (count: number): readonly (readonly number[])[] =>
  count === 0
    ? [[]]
    : ordersOf(count - 1).flatMap((order) =>
        Array.from({ length: count }, (_, at) => [...order.slice(0, at), count - 1, ...order.slice(at)]),
      );

describe('ranks and top-k', () => {
  it('count the better scores, and the equal ones as the mean over their orders', () => {
    // Row 0: label 2 scores 0.3, better are 0.5 and 0.4: rank 2. Row 1: label 0 is best. Row 2: all equal: rank 0, 1 or 2.
    const scores = [0.5, 0.4, 0.3, 0.9, 0.1, 0.2, 0.7, 0.7, 0.7];
    const ranks = labelRanks(scores, [2, 0, 1]);
    expect([...expectedRanks(ranks)]).toEqual([2, 0, 1]);
    expect([...ranks.tied]).toEqual([1, 1, 3]);
    expect([...topKAccuracy(scores, [2, 0, 1], 1).perSample]).toEqual([0, 1, 1 - 2 / 3]);
    expect(topKAccuracy(scores, [2, 0, 1], 1).value).toBeCloseTo(4 / 9, 12);
    expect(topKAccuracy(scores, [2, 0, 1], 2).value).toBeCloseTo((0 + 1 + 2 / 3) / 3, 12);
    expect(topKAccuracy(scores, [2, 0, 1], 3).value).toBe(1);
    expect(topKAccuracy(scores, [2, 0, 1], 9).value).toBe(1);
  });

  it('give a model that scores everything alike just chance, however the labels are spread', () => {
    // Six classes, 60 % of the labels in the first.
    const labels = Array.from({ length: 100 }, (_, i) => (i < 60 ? 0 : 1 + (i % 5)));
    for (const same of [0, 1e-30, -Infinity, Infinity]) {
      const scores = new Float32Array(600).fill(same);
      expect(topKAccuracy(scores, labels, 1).value).toBeCloseTo(1 / 6, 12);
      expect(topKAccuracy(scores, labels, 5).value).toBeCloseTo(5 / 6, 12);
    }
  });

  it('are the means over all orders of equal candidates, with any number of right ones', () => {
    const orders = ordersOf(5);
    const scored = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 5, maxLength: 5 });
    const right = fc.uniqueArray(fc.nat(4), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(scored, right, fc.integer({ min: 1, max: 5 }), (scores, right, k) => {
        const ranks = ranksOf('test', [[{ scores, start: 0, stride: 1, length: 5 }, right]]);
        let [hits, rank] = [0, 0];
        for (const order of orders) {
          // A stable sort leaves equal candidates in this order.
          const sorted = [...order].sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
          const first = sorted.findIndex((candidate) => right.includes(candidate));
          rank += first / orders.length;
          hits += Number(first < k) / orders.length;
        }
        expect(topK(ranks, k).value).toBeCloseTo(hits, 10);
        expect(expectedRanks(ranks)[0]).toBeCloseTo(rank, 10);
      }),
      { numRuns: 60 },
    );
  });

  it('are those of the only order where nothing ties', () => {
    const scores = [0.1, 0.7, 0.2, 0.9, 0.3, 0.5];
    expect(topKAccuracy(scores, [1, 2], 1).value).toBe(accuracy([1, 0], [1, 2]).value);
  });

  it('refuse NaN, wrong labels, wrong sizes and k', () => {
    expect(() => labelRanks([0, Number.NaN], [0])).toThrow(
      'expected scores that are numbers, got NaN for candidate 1; has the model diverged?',
    );
    expect(() => labelRanks([Number.NaN, 0], [0])).toThrow('got NaN for candidate 0');
    expect(() => labelRanks([0, 1], [2])).toThrow('expected labels from 0 to 1, got 2 for sample 0');
    expect(() => labelRanks([0, 1, 2], [0, 1])).toThrow(ShapeError);
    expect(() => topKAccuracy([0, 1], [1], 0)).toThrow('expected a whole number k from 1, got 0');
  });
});
