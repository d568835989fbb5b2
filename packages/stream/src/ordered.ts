/**
 * Ordered, concurrent, byte-budgeted mapping of a sequence: the one mechanism behind read-ahead and stages.
 * Tasks run on a p-queue; results leave in the order of the items. A new task starts only while the results that wait
 * and the tasks that run, each counted as the largest result so far, stay within the byte budget (one task is always
 * allowed). Nothing starts before the consumer asks, so a slow consumer slows everything before it.
 */
import PQueue from 'p-queue';
import { ConfigError } from '@polygate/core';

/** Bounds of a concurrent mapping. */
export interface OrderedOptions {
  /** Results held ready plus results being made, in bytes. @default 67108864 */
  readonly bytes?: number;
  /** Tasks at once. @default 4 */
  readonly concurrency?: number;
  /** Ends the sequence with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Bounds, and how large a result is. */
export interface SizedOptions<T> extends OrderedOptions {
  /** Bytes of a result. @default 0 */
  readonly sizeOf?: (value: T) => number;
}

/** Default byte budget of reading ahead. */
export const DEFAULT_PREFETCH_BYTES = 2 ** 26;
/** Default number of tasks at once. */
const DEFAULT_CONCURRENCY = 4;
/** Results that may wait in line whatever their size, as a multiple of the concurrency. */
const WAITING_PER_TASK = 4;

/** Resolves after the event loop has had a turn, so that timers and I/O are served between synchronous pieces. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Source<T> = AsyncIterable<T> | Iterable<T>;

const iteratorOf = <T>(source: Source<T>): AsyncIterator<T> | Iterator<T> =>
  Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();

interface Slot<R> {
  readonly result: Promise<R>;
  /** Bytes of the result, known once it is there. */
  bytes: number | undefined;
}

/** Tasks at once; each waits in memory. */
const MAX_CONCURRENCY = 4096;

const checkBounds = (bytes: number, concurrency: number): void => {
  if (bytes > 0 && Number.isInteger(concurrency) && concurrency > 0 && concurrency <= MAX_CONCURRENCY) return;
  throw new ConfigError(
    `prefetch: expected positive bytes and a whole concurrency of 1 to ${MAX_CONCURRENCY}, got ${bytes} bytes and ${concurrency}`,
  );
};

/**
 * Maps items concurrently and yields results in the items' order. Errors of the source or of a task reach the consumer
 * at their place in the order; then, and when the consumer stops early, no further task starts, running ones are
 * awaited and the source is closed.
 */
export async function* mapOrdered<T, R>(
  source: Source<T>,
  task: (item: T) => Promise<R> | R,
  options: SizedOptions<R> = {},
): AsyncGenerator<R, void, undefined> {
  const {
    bytes = DEFAULT_PREFETCH_BYTES,
    concurrency = DEFAULT_CONCURRENCY,
    signal,
    sizeOf = () => 0,
  } = options;
  checkBounds(bytes, concurrency);
  const queue = new PQueue({ concurrency });
  const iterator = iteratorOf(source);
  const waiting: Slot<R>[] = [];
  let greatest = 0;
  let ended = false;

  const held = (): number => waiting.reduce((sum, slot) => sum + (slot.bytes ?? greatest), 0);
  const mayStart = (): boolean => {
    if (ended) return false;
    if (waiting.length === 0) return true;
    // Until a first result shows how large they are, results are made one at a time.
    if (greatest === 0 && waiting.some((slot) => slot.bytes === undefined) && options.sizeOf !== undefined)
      return false;
    return waiting.length < concurrency * WAITING_PER_TASK && held() + greatest <= bytes;
  };
  const start = (item: T): Slot<R> => {
    const slot: Slot<R> = {
      bytes: undefined,
      result: queue.add(async () => {
        signal?.throwIfAborted();
        const result = await task(item);
        slot.bytes = sizeOf(result);
        greatest = Math.max(greatest, slot.bytes);
        return result;
      }),
    };
    return slot;
  };
  let filling = false;
  let wake: (() => void) | undefined;
  const push = (slot: Slot<R>): void => {
    slot.result.catch(() => {}); // it is reported when its turn comes
    waiting.push(slot);
    wake?.();
  };
  const fill = async (): Promise<void> => {
    if (filling) return;
    filling = true;
    try {
      while (mayStart()) {
        const next = await iterator.next();
        if (next.done === true) ended = true;
        else if (!ended) push(start(next.value));
      }
    } catch (error) {
      ended = true;
      push({ bytes: 0, result: Promise.reject<R>(error as Error) });
    } finally {
      filling = false;
      wake?.();
    }
  };
  const settled = (): Promise<void> => new Promise((resolve) => (wake = resolve));

  try {
    for (;;) {
      signal?.throwIfAborted();
      void fill();
      const head = waiting[0];
      if (head === undefined) {
        if (ended && !filling) return;
        await abortable(settled(), signal);
        continue;
      }
      const result = await abortable(head.result, signal);
      waiting.shift();
      void fill(); // reading goes on while the consumer works
      yield result;
      await turn();
    }
  } finally {
    ended = true;
    queue.clear();
    const close = async (): Promise<void> => {
      await queue.onIdle();
      await iterator.return?.(undefined);
    };
    // A task or a source that stalls must not hold up an abort.
    if (signal?.aborted === true) close().catch(() => {});
    else await close();
  }
}

/** The promise, or the signal's reason if that comes first. */
const abortable = <T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
};
