/**
 * Processes that compute one thing together. A communicator is a rank's view of its group: all ranks make the same calls
 * in the same order, and each call is answered when all have made it. One process alone needs none of it to be there:
 * {@link aloneCommunicator} answers at once.
 *
 * R ranks
 */
import { ConfigError, ShapeError, StateError } from '../errors.ts';

/** What crosses between processes; bytes of any other kind as u8. */
export type CollectiveArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** How values of the ranks become one. `mean` divides the sum by R, in the array's own precision. */
export type Reduction = 'sum' | 'mean' | 'max';

/** A rank's view of its group. Disposed of when all ranks are done with it. */
export interface Communicator extends AsyncDisposable {
  /** From 0. */
  readonly rank: number;
  /** R, at least 1. */
  readonly size: number;
  /**
   * Replaces the values of the arrays by those of all ranks together, in place, one by one, the same on every rank. The
   * arrays are borrowed until the answer; small ones cross together.
   * @throws ConfigError for the mean of whole numbers; StateError (code `rank-failed`) when a rank fails or is lost
   */
  allReduce(arrays: readonly CollectiveArray[], reduction: Reduction): Promise<void>;
  /** Parts of all ranks in their order; they may differ in length. @throws StateError as {@link Communicator.allReduce} */
  allGather<T extends CollectiveArray>(part: T): Promise<readonly T[]>;
  /** Overwrites the array by that of `root`, in place; of one length on all ranks. @throws as allReduce, ConfigError */
  broadcast(array: CollectiveArray, root: number): Promise<void>;
  /** Answered when all ranks have come. @throws StateError as {@link Communicator.allReduce} */
  barrier(): Promise<void>;
  /** Ends the group: what the other ranks wait for fails with this rank and its reason. Never throws. */
  abort(reason: string): Promise<void>;
}

/**
 * What carries arrays between processes: the part that differs between implementations of a {@link Communicator}. Its calls
 * are answered in the order in which they are made, and fail with an error of ours.
 */
export interface RankTransport {
  readonly rank: number;
  readonly size: number;
  /** In place. */
  reduce(array: CollectiveArray, operation: 'sum' | 'max'): Promise<void>;
  /** `whole` has R times the length of `part`, the same on all ranks. */
  gather(part: CollectiveArray, whole: CollectiveArray): Promise<void>;
  broadcast(array: CollectiveArray, root: number): Promise<void>;
  barrier(): Promise<void>;
  abort(reason: string): Promise<void>;
  close(): Promise<void>;
}

/** Settings of {@link createCommunicator}. */
export interface CommunicatorOptions {
  /** Bytes of arrays that cross together, as PyTorch's buckets of gradients. @default 25 MiB */
  readonly bucketBytes?: number;
}

const DEFAULT_BUCKET_BYTES = 25 * 2 ** 20;

const kindOf = (array: CollectiveArray): string => array.constructor.name;

const arrayLike = <T extends CollectiveArray>(array: T, length: number): T =>
  new (array.constructor as new (length: number) => T)(length);

/** Neighbours of one kind, as many as fit into a bucket; an array that is larger is alone. */
const bucketsOf = (
  arrays: readonly CollectiveArray[],
  bucketBytes: number,
): readonly (readonly CollectiveArray[])[] => {
  const buckets: CollectiveArray[][] = [];
  let bytes = 0;
  for (const array of arrays) {
    const last = buckets.at(-1);
    const fits = last?.[0] && kindOf(last[0]) === kindOf(array) && bytes + array.byteLength <= bucketBytes;
    if (last && fits) {
      last.push(array);
      bytes += array.byteLength;
    } else {
      buckets.push([array]);
      bytes = array.byteLength;
    }
  }
  return buckets;
};

/** A communicator over what carries its arrays, which it owns. */
export const createCommunicator = (
  transport: RankTransport,
  { bucketBytes = DEFAULT_BUCKET_BYTES }: CommunicatorOptions = {},
): Communicator => {
  const { rank, size } = transport;
  let isClosed = false;
  const opened = (): RankTransport => {
    if (!isClosed) return transport;
    throw new StateError(`communicator: rank ${rank} has left its group; open another`, {
      code: 'communicator-closed',
    });
  };

  const reduceBucket = async (arrays: readonly CollectiveArray[], reduction: Reduction): Promise<void> => {
    const [first] = arrays;
    if (!first) return;
    const operation = reduction === 'max' ? 'max' : 'sum';
    if (arrays.length === 1) {
      await opened().reduce(first, operation);
    } else {
      const flat = arrayLike(
        first,
        arrays.reduce((sum, { length }) => sum + length, 0),
      );
      let at = 0;
      for (const array of arrays) {
        flat.set(array, at);
        at += array.length;
      }
      await opened().reduce(flat, operation);
      at = 0;
      for (const array of arrays) {
        array.set(flat.subarray(at, at + array.length));
        at += array.length;
      }
    }
    if (reduction !== 'mean') return;
    for (const array of arrays) {
      for (let i = 0; i < array.length; i += 1) array[i] = (array[i] ?? 0) / size;
    }
  };

  return Object.freeze<Communicator>({
    rank,
    size,
    async allReduce(arrays, reduction) {
      const whole = arrays.find((array) => array instanceof Int32Array || array instanceof Uint8Array);
      if (reduction === 'mean' && whole) {
        throw new ConfigError(
          `communicator: expected f32 or f64 for a mean, got ${kindOf(whole)}; sum whole numbers`,
        );
      }
      for (const bucket of bucketsOf(
        arrays.filter(({ length }) => length > 0),
        bucketBytes,
      )) {
        await reduceBucket(bucket, reduction);
      }
    },
    async allGather<T extends CollectiveArray>(part: T): Promise<readonly T[]> {
      const lengths = new Float64Array(size);
      await opened().gather(Float64Array.of(part.length), lengths);
      const longest = Math.max(...lengths);
      if (longest === 0) return Array.from(lengths, () => arrayLike(part, 0));
      const padded = arrayLike(part, longest);
      padded.set(part);
      const whole = arrayLike(part, longest * size);
      await opened().gather(padded, whole);
      return Array.from(lengths, (length, of) => whole.slice(of * longest, of * longest + length) as T);
    },
    async broadcast(array, root) {
      if (!Number.isInteger(root) || root < 0 || root >= size) {
        throw new ConfigError(`communicator: expected a root from 0 to ${size - 1}, got ${root}`);
      }
      if (array.length > 0) await opened().broadcast(array, root);
    },
    async barrier() {
      await opened().barrier();
    },
    async abort(reason) {
      if (!isClosed) await transport.abort(reason);
    },
    async [Symbol.asyncDispose]() {
      if (isClosed) return;
      isClosed = true;
      await transport.close();
    },
  });
};

const nothing = (): Promise<void> => Promise.resolve();

/** One process alone: every call is answered at once and copies nothing. */
export const aloneCommunicator: Communicator = Object.freeze<Communicator>({
  rank: 0,
  size: 1,
  allReduce: nothing,
  allGather: (part) => Promise.resolve([part]),
  broadcast: nothing,
  barrier: nothing,
  abort: nothing,
  [Symbol.asyncDispose]: nothing,
});

/**
 * The error of a group that lost a rank or that a rank ended.
 * @param problem what came, such as `rank 1 ended the run: out of memory`
 */
export const rankFailed = (
  problem: string,
  options: { readonly ranks: readonly number[]; readonly cause?: unknown },
): StateError =>
  new StateError(`communicator: expected all ranks to answer, but ${problem}; the last checkpoint resumes`, {
    code: 'rank-failed',
    fields: { ranks: options.ranks },
    ...(options.cause === undefined ? {} : { cause: options.cause }),
  });

/** @throws ShapeError for ranks that bring arrays of other kinds or lengths to one call */
export const requireSameArrays = (arrays: readonly CollectiveArray[]): void => {
  const [first] = arrays;
  if (!first) return;
  const told = (array: CollectiveArray): string => `${kindOf(array)} of ${array.length}`;
  const other = arrays.findIndex((array) => told(array) !== told(first));
  if (other < 0) return;
  throw new ShapeError(
    `communicator: expected the same arrays of all ranks, got ${told(first)} of rank 0 and ${told(arrays[other] as CollectiveArray)} of rank ${other}; all ranks must make the same calls in the same order`,
  );
};
