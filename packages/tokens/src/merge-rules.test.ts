import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeByQueue, mergeByScan, mergeWord, pairKey } from './merge-rules.ts';
import type { MergeRules } from './merge-rules.ts';
import { createPriorityQueue } from './priority-queue.ts';

const rulesOf = (rules: readonly (readonly [number, number, number])[]): MergeRules => ({
  ranks: new Map(rules.map(([left, right], rank) => [pairKey(left, right), rank])),
  results: Int32Array.from(rules, ([, , result]) => result),
});

describe('merging', () => {
  it('takes the lowest rank first and the leftmost place first', () => {
    // a = 0, b = 1, c = 2; rule 0: b c -> 3, rule 1: a b -> 4, rule 2: a a -> 5.
    const rules = rulesOf([
      [1, 2, 3],
      [0, 1, 4],
      [0, 0, 5],
    ]);
    // "abc": b c first, then a is alone. "aab": a b before a a. "aaa": the left pair.
    expect(mergeWord([0, 1, 2], rules)).toEqual([0, 3]);
    expect(mergeWord([0, 0, 1], rules)).toEqual([0, 4]);
    expect(mergeWord([0, 0, 0], rules)).toEqual([5, 0]);
    expect(mergeByQueue([0, 0, 0], rules)).toEqual([5, 0]);
  });

  it('lets a pair that a merge created compete before the next place of the same rule', () => {
    // Rule 0: 3 0 -> 4, rule 1: 0 1 -> 3. In 0 1 0 1 the first merge gives 3 0 1, where rule 0 now applies: 4 1.
    const rules = rulesOf([
      [3, 0, 4],
      [0, 1, 3],
    ]);
    expect(mergeByScan([0, 1, 0, 1], rules)).toEqual([4, 1]);
    expect(mergeByQueue([0, 1, 0, 1], rules)).toEqual([4, 1]);
  });

  it('gives the same by queue and by scan for any rules and word', () => {
    const symbol = fc.integer({ min: 0, max: 7 });
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(symbol, symbol, fc.integer({ min: 3, max: 7 })), {
          maxLength: 20,
          selector: ([left, right]) => left * 8 + right,
        }),
        fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 70 }),
        (list, word) => {
          const rules = rulesOf(list);
          expect(mergeByQueue(word, rules)).toEqual(mergeByScan([...word], rules));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('createPriorityQueue', () => {
  it('gives out numbers in order, whatever the order of pushes and pops', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer(), { nil: undefined })), (operations) => {
        const queue = createPriorityQueue<number>((a, b) => a < b);
        let model: number[] = [];
        for (const value of operations) {
          if (value !== undefined) {
            queue.push(value);
            model.push(value);
            continue;
          }
          model = model.sort((a, b) => a - b);
          expect(queue.pop()).toBe(model.shift());
        }
      }),
    );
  });
});
