import { inProcessCommunicators } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import { examineRanks } from './examine-ranks.ts';

const facts = { polygate: '1.0.0', recipe: 'abc' };

describe('examineRanks', () => {
  it('tells clocks, and the time and bandwidth of an all-reduce, by the slowest rank', async () => {
    // Each look at the clock of rank r comes r + 1 ms after the last one: a call takes 1 and 2 ms.
    const found = await Promise.all(
      inProcessCommunicators(2).map((communicator) => {
        let ms = 0;
        const clock = (): number => (ms += communicator.rank + 1);
        return examineRanks(communicator, { facts, clock, now: () => 5000 + 40 * communicator.rank });
      }),
    );
    // 4 Mi values of 4 bytes in 2 ms.
    const expected = { size: 2, latencyMs: 2, bytesPerSecond: (2 ** 24 * 1000) / 2, clocksMs: [0, 40] };
    expect(found).toEqual([expected, expected]);
  });

  it('names the rank that has something else, on all ranks', async () => {
    const outcomes = await Promise.allSettled(
      inProcessCommunicators(3).map((communicator) =>
        examineRanks(communicator, {
          facts: communicator.rank === 2 ? { ...facts, recipe: 'abd' } : facts,
        }),
      ),
    );
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({
        reason: {
          message:
            'processes: expected the same of all ranks, got recipe abc on rank 0 and recipe abd on rank 2; install one version, and give all the same recipe and data',
        },
      });
    }
  });
});
