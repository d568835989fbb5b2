import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mapOrdered, turn } from './ordered.ts';

const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

const range = (size: number): number[] => Array.from({ length: size }, (_, i) => i);

/** Waits for some turns of the event loop, so that tasks end in another order than they start. */
const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i += 1) await turn();
};

describe('ordered mapping', () => {
  it('keeps the order whatever the tasks take, for any concurrency and budget', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 6 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 50 }),
        async (delays, concurrency, bytes) => {
          const results = mapOrdered(
            delays.entries(),
            async ([i, delay]) => {
              await turns(delay);
              return i;
            },
            { concurrency, bytes, sizeOf: (i) => 1 + (i % 7) },
          );
          expect(await collect(results)).toEqual(range(delays.length));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('never runs more tasks at once than allowed, and does run that many', async () => {
    let running = 0;
    let most = 0;
    await collect(
      mapOrdered(
        range(40),
        async () => {
          running += 1;
          most = Math.max(most, running);
          await turns(3);
          running -= 1;
        },
        { concurrency: 3 },
      ),
    );
    expect(most).toBe(3);
  });

  it('holds no more than the byte budget in results that wait and results being made', async () => {
    let held = 0;
    let most = 0;
    const results = mapOrdered(
      range(50),
      async (i) => {
        held += 10;
        most = Math.max(most, held);
        await turn();
        return i;
      },
      { concurrency: 8, bytes: 45, sizeOf: () => 10 },
    );
    for await (const _ of results) {
      await turns(12); // a slow consumer, so that whatever may be read ahead is
      held -= 10;
    }
    // 4 results of 10 fit in 45; the one in the consumer's hands is its own.
    expect(most).toBe(50);
  });

  it('asks for nothing before the consumer does and reads no further than its budget', async () => {
    let pulled = 0;
    function* source() {
      for (;;) {
        pulled += 1;
        yield pulled;
      }
    }
    const results = mapOrdered(source(), (i) => i, { concurrency: 2, bytes: 30, sizeOf: () => 10 });
    await turns(5);
    expect(pulled).toBe(0);
    await results.next();
    await turns(20);
    expect(pulled).toBe(4); // one handed out, three of 10 bytes waiting
    await results.return();
    expect(pulled).toBe(4);
  });

  it('hands out what is ready while a slow source is still asked for more', async () => {
    let release = (): void => {};
    async function* source() {
      yield 1;
      await new Promise<void>((resolve) => (release = resolve));
      yield 2;
    }
    const results = mapOrdered(source(), (i) => i);
    expect(await results.next()).toEqual({ done: false, value: 1 });
    release();
    expect(await results.next()).toEqual({ done: false, value: 2 });
    expect((await results.next()).done).toBe(true);
  });

  it('reports an error of a task at its place, after the results before it, and closes the source', async () => {
    let closed = false;
    function* source() {
      try {
        yield* range(10);
      } finally {
        closed = true;
      }
    }
    const seen: number[] = [];
    const run = async () => {
      for await (const i of mapOrdered(source(), async (i) => {
        await turns(10 - i);
        if (i === 4) throw new Error('task 4');
        return i;
      })) {
        seen.push(i);
      }
    };
    await expect(run()).rejects.toThrow('task 4');
    expect(seen).toEqual([0, 1, 2, 3]);
    expect(closed).toBe(true);
  });

  it('reports an error of the source at its place', async () => {
    function* source() {
      yield 1;
      throw new Error('source broke');
    }
    const results = mapOrdered(source(), (i) => i);
    expect((await results.next()).value).toBe(1);
    await expect(results.next()).rejects.toThrow('source broke');
  });

  it('waits for running tasks and closes the source when the consumer stops early', async () => {
    let running = 0;
    let closed = false;
    async function* source() {
      try {
        yield* range(100);
      } finally {
        closed = true;
      }
    }
    for await (const _ of mapOrdered(source(), async (i) => {
      running += 1;
      await turns(4);
      running -= 1;
      return i;
    })) {
      break;
    }
    expect(running).toBe(0);
    expect(closed).toBe(true);
  });

  it('ends at once with the reason of an abort, even when a task never does', async () => {
    const abort = new AbortController();
    const results = mapOrdered([1], () => new Promise<number>(() => {}), { signal: abort.signal });
    const next = results.next();
    await turn();
    abort.abort(new Error('stopped by the user'));
    await expect(next).rejects.toThrow('stopped by the user');
  });

  it('lets timers and I/O have a turn between results that are ready at once', async () => {
    let served = 0;
    let counting = true;
    const tick = (): void => {
      served += 1;
      if (counting) setImmediate(tick);
    };
    setImmediate(tick);
    await collect(mapOrdered(range(50), (i) => i));
    counting = false;
    expect(served).toBeGreaterThanOrEqual(50);
  });

  it('refuses bounds that allow nothing', async () => {
    await expect(mapOrdered([1], (i) => i, { bytes: 0 }).next()).rejects.toThrow(
      'prefetch: expected positive bytes and a whole concurrency of 1 to 4096, got 0 bytes and 4',
    );
  });
});
