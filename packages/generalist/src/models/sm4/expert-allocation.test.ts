import { createRandom } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocate, startAllocation, type Allocation, type AllocationRule } from './expert-allocation.ts';

const paper: AllocationRule = { patience: 1, minimumDelta: 0, smoothing: 0, most: 16 };

const traced = (losses: readonly number[], rule = paper): readonly Allocation[] => {
  let state = startAllocation();
  return losses.map((loss) => (state = allocate(state, loss, rule)));
};

describe('adaptive expert allocation', () => {
  it('follows algorithm 3 through ten epochs', () => {
    // By hand, from k = 1, best = inf, improved, open:
    //  1.00  below inf     best 1.00
    //  0.80  below         best 0.80
    //  0.80  not below, improved      -> k 2, not improved
    //  0.70  below         best 0.70, improved: the second expert was of use
    //  0.75  not below, improved      -> k 3, not improved
    //  0.60  below         best 0.60, improved
    //  0.65  not below, improved      -> k 4, not improved
    //  0.61  not below, not improved  -> k 3, closed
    //  0.10  closed: nothing
    //  0.90  closed: nothing
    const states = traced([1, 0.8, 0.8, 0.7, 0.75, 0.6, 0.65, 0.61, 0.1, 0.9]);
    expect(states.map(({ k }) => k)).toEqual([1, 1, 2, 2, 3, 3, 4, 3, 3, 3]);
    expect(states.map(({ best }) => best)).toEqual([1, 0.8, 0.8, 0.7, 0.7, 0.6, 0.6, 0.6, 0.6, 0.6]);
    expect(states.map(({ open }) => open)).toEqual([
      true,
      true,
      true,
      true,
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(states[2]).toEqual({ k: 2, best: 0.8, improved: false, open: true, stale: 0, average: 0.8 });
  });

  it('waits, asks for more than a little, averages, and stops at its bound where it is told to', () => {
    expect(traced([1, 1, 1, 1, 1, 1], { ...paper, patience: 2 }).map(({ k }) => k)).toEqual([
      1, 1, 2, 2, 1, 1,
    ]);
    expect(traced([1, 0.99, 0.9], { ...paper, minimumDelta: 0.05 }).map(({ k }) => k)).toEqual([1, 2, 2]);
    // The average of 1 and 0 by halves is 0.5, that of 0.5 and 0.5 as well.
    const smooth = traced([1, 0, 0.5], { ...paper, smoothing: 0.5 });
    expect(smooth.map(({ average }) => average)).toEqual([1, 0.5, 0.5]);
    expect(smooth.at(-1)?.k).toBe(2);
    expect(traced([1, 1, 0.9, 0.9, 0.8], { ...paper, most: 2 }).at(-1)).toMatchObject({ k: 2, open: false });
  });

  it('learns nothing of a loss that is not finite, and refuses rules that can not be', () => {
    expect(traced([1, Number.NaN, Infinity]).at(-1)).toEqual(traced([1])[0]);
    expect(() => allocate(startAllocation(), 1, { ...paper, smoothing: 1 })).toThrow(
      'allocation: expected patience of at least 1, minimumDelta of at least 0, smoothing in [0, 1) and 1 expert or more, got 1, 0, 1 and 16',
    );
  });

  it('keeps k within its bounds, changes it by one, and never after it closed', () => {
    const losses = fc.array(fc.double({ min: 0, max: 2, noNaN: true }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(
        losses,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        (given, most, patience) => {
          const states = [startAllocation(), ...traced(given, { ...paper, most, patience })];
          states.forEach(({ k }, at) => {
            const before = states[at - 1] ?? startAllocation();
            expect(k).toBeGreaterThanOrEqual(1);
            expect(k).toBeLessThanOrEqual(most);
            expect(Math.abs(k - before.k)).toBeLessThanOrEqual(before.open ? 1 : 0);
          });
        },
      ),
    );
  });

  it('goes on from what was saved as if it had never stopped', () => {
    const random = createRandom(4);
    const losses = Array.from({ length: 20 }, (_, epoch) => 1 / (1 + epoch) + 0.05 * random.normal());
    const half = JSON.parse(JSON.stringify(traced(losses.slice(0, 9)).at(-1))) as Allocation;
    const resumed = losses.slice(9).reduce((state, loss) => allocate(state, loss, paper), half);
    expect(resumed).toEqual(traced(losses).at(-1));
  });
});
