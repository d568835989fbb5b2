/** What every communicator promises, held by each: ranks of one process, and of c10d. */
import { inProcessCommunicators, type CollectiveArray, type Communicator } from '@polygate/core';
import { freePort } from '@polygate/core/node';
import { describeTorch, registerTorchEngine } from '@polygate/backend-torch';
import { connectC10d, describeC10d } from '@polygate/backend-torch/c10d';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';

const BUCKET_BYTES = 64;

const kinds: Readonly<Record<string, (size: number) => Promise<readonly Communicator[]>>> = {
  'in one process': (size) => Promise.resolve(inProcessCommunicators(size, { bucketBytes: BUCKET_BYTES })),
  'of c10d': async (size) => {
    // The engine changes what tensors of this thread are.
    if (describeTorch().available) await registerTorchEngine({ threads: 1 });
    const port = await freePort();
    const at = { host: '127.0.0.1', port, size, bucketBytes: BUCKET_BYTES, timeoutMs: 30_000 };
    return Promise.all(Array.from({ length: size }, (_, rank) => connectC10d({ ...at, rank })));
  },
};

const c10d = describeC10d();
if (!c10d.available && (process.env['POLYGATE_REQUIRE_ENGINES'] ?? '').includes('torch'))
  throw new Error(`c10d is required: ${c10d.why}; ${c10d.remedy}`);

describe.for(Object.entries(kinds))('a communicator %s', ([name, open]) => {
  const reason = name === 'of c10d' && !c10d.available ? `${c10d.why}; ${c10d.remedy}` : '';
  let group: readonly Communicator[] = [];
  const each = async <T>(work: (rank: Communicator) => Promise<T>): Promise<readonly T[]> =>
    Promise.all(group.map(work));
  afterEach(async () => {
    await Promise.all(group.map((rank) => rank[Symbol.asyncDispose]()));
    group = [];
  });

  it.skipIf(reason)('adds, averages and takes the largest of every kind of array, in place', async () => {
    group = await open(3);
    const outcomes = await each(async ({ rank, allReduce }) => {
      const arrays = (): CollectiveArray[] => [
        Float32Array.of(rank + 0.5, 5 - rank),
        Float64Array.of(2 ** 40 + rank),
        Int32Array.of(rank * 1000, -7),
        Uint8Array.of(rank, 9),
      ];
      const [sums, largest] = [arrays(), arrays()];
      const means = arrays().slice(0, 2);
      await allReduce(sums, 'sum');
      await allReduce(largest, 'max');
      await allReduce(means, 'mean');
      return [sums, largest, means].map((of) => of.map((array) => [...array]));
    });
    for (const outcome of outcomes) {
      expect(outcome).toEqual([
        // 0.5 + 1.5 + 2.5; 5 + 4 + 3; 3 * 2^40 + 3; 0 + 1000 + 2000; 3 * -7; 0 + 1 + 2; 3 * 9
        [[4.5, 12], [3 * 2 ** 40 + 3], [3000, -21], [3, 27]],
        [[2.5, 5], [2 ** 40 + 2], [2000, -7], [2, 9]],
        [[1.5, 4], [2 ** 40 + 1]],
      ]);
    }
  });

  it.skipIf(reason)('gathers parts of different lengths, none too', async () => {
    group = await open(3);
    const outcomes = await each(({ rank, allGather }) =>
      allGather(Float32Array.from({ length: 2 * rank }, (_, i) => 10 * rank + i)),
    );
    for (const parts of outcomes)
      expect(parts.map((part) => [...part])).toEqual([[], [10, 11], [20, 21, 22, 23]]);
    const none = await each(({ allGather }) => allGather(new Uint8Array(0)));
    expect(none.map((parts) => parts.map(({ length }) => length))).toEqual([
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]);
  });

  it.skipIf(reason)('broadcasts what the root has', async () => {
    group = await open(2);
    const outcomes = await each(async ({ rank, broadcast }) => {
      const values = Int32Array.of(rank, 5 * rank);
      await broadcast(values, 1);
      return [...values];
    });
    expect(outcomes).toEqual([
      [1, 5],
      [1, 5],
    ]);
    await expect(group[0]?.broadcast(Int32Array.of(1), 2)).rejects.toThrow(
      'communicator: expected a root from 0 to 1, got 2',
    );
  });

  it.skipIf(reason)('answers a barrier when the last rank has come', async () => {
    group = await open(2);
    const came: string[] = [];
    const early = (group[0] as Communicator).barrier().then(() => came.push('answered'));
    // The first rank's call is at work when the second one makes this one.
    await new Promise((resolve) => setImmediate(resolve));
    came.push('second comes');
    await Promise.all([early, group[1]?.barrier()]);
    expect(came).toEqual(['second comes', 'answered']);
  });

  it.skipIf(reason)('adds lists of any arrays as a loop does, whatever shares a bucket', async () => {
    group = await open(2);
    const arrays = fc.array(
      fc.oneof(
        fc
          .array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }), { maxLength: 30 })
          .map((values) => Float32Array.from(values)),
        fc
          .array(fc.integer({ min: -1e6, max: 1e6 }), { maxLength: 30 })
          .map((values) => Int32Array.from(values)),
      ),
      { maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(arrays, async (of) => {
        const expected = of.map((array) => array.map((value) => value + 3 * value));
        const outcomes = await each(async ({ rank, allReduce }) => {
          const mine = of.map((array) => array.map((value) => (rank === 0 ? value : 3 * value)));
          await allReduce(mine, 'sum');
          return mine;
        });
        for (const outcome of outcomes) {
          outcome.forEach((array, i) => {
            array.forEach((value, k) => expect(value).toBeCloseTo(expected[i]?.[k] ?? NaN, 0));
          });
        }
        // Every rank has the same, to the last bit.
        expect(outcomes[0]).toEqual(outcomes[1]);
      }),
      { numRuns: 30 },
    );
  });

  it.skipIf(reason)('refuses the mean of whole numbers', async () => {
    group = await open(1);
    await expect(group[0]?.allReduce([Int32Array.of(1)], 'mean')).rejects.toThrow(
      'communicator: expected f32 or f64 for a mean, got Int32Array; sum whole numbers',
    );
  });

  it.skipIf(reason)('fails what ranks wait for when one ends, with its rank and reason', async () => {
    group = await open(3);
    const waiting = [0, 2].map((rank) => group[rank]?.allReduce([Float32Array.of(1)], 'sum'));
    const outcomes = Promise.allSettled(waiting);
    await group[1]?.abort('out of patience');
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: {
          code: 'rank-failed',
          fields: { ranks: [1] },
          message:
            'communicator: expected all ranks to answer, but rank 1 ended the run: out of patience; the last checkpoint resumes',
        },
      });
    }
    await expect(group[0]?.barrier()).rejects.toThrow('rank 1 ended the run');
  });
});

describe('ranks of one process', () => {
  it('refuses calls that differ', async () => {
    const [first, second] = inProcessCommunicators(2);
    const other = await Promise.allSettled([first?.barrier(), second?.broadcast(Int32Array.of(1), 0)]);
    expect(other.map((each) => each.status === 'rejected' && (each.reason as Error).message)).toEqual(
      Array.from(
        { length: 2 },
        () => 'communicator: expected one call of all ranks, got barrier of rank 0, broadcast of 0 of rank 1',
      ),
    );
    const lengths = await Promise.allSettled([
      first?.broadcast(new Float32Array(2), 0),
      second?.broadcast(new Float32Array(3), 0),
    ]);
    expect(lengths.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});
