import { createRandom } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTelemetrySchedule } from './telemetry-schedule.ts';

/** Tasks of updates, drawn from a seed. */
const drawn = (seed: number, tasks: number): ((step: number) => string) => {
  const random = createRandom(seed);
  const names = Array.from({ length: 100 }, () => `task ${random.integer(tasks)}`);
  return (step) => names[step] ?? '';
};

describe('createTelemetrySchedule', () => {
  it('looks at the first update of each task in each stretch', () => {
    const order = ['a', 'a', 'b', 'a', 'b', 'b', 'b', 'c', 'b', 'a'];
    const due = createTelemetrySchedule({ every: 4, taskOf: (step) => order[step] ?? '' });
    // Stretches: a a b a | b b b c | b a
    expect(order.map((_, step) => due(step))).toEqual(
      [1, 0, 1, 0, 1, 0, 0, 1, 1, 1].map((flag) => flag === 1),
    );
  });

  it('is a function of the step alone, wherever it begins and however often it is asked', () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          every: fc.integer({ min: 1, max: 20 }),
          tasks: fc.integer({ min: 1, max: 4 }),
        }),
        fc.array(fc.nat(99), { maxLength: 30 }),
        ({ seed, every, tasks }, asked) => {
          const taskOf = drawn(seed, tasks);
          const inOrder = createTelemetrySchedule({ every, taskOf });
          const all = Array.from({ length: 100 }, (_, step) => inOrder(step));
          const other = createTelemetrySchedule({ every, taskOf });
          for (const step of asked) expect(other(step)).toBe(all[step]);
          for (let stretch = 0; stretch * every < 100; stretch += 1) {
            const steps = Array.from({ length: every }, (_, i) => stretch * every + i).filter((s) => s < 100);
            expect(steps.filter((step) => all[step])).toHaveLength(new Set(steps.map(taskOf)).size);
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});
