/**
 * Ranks of one process, for tests and for programs that hold several models at once: a call of a group is computed when
 * the last rank makes it, sums in the order of ranks, each rounded to the array's own precision.
 */
import { ConfigError, StateError } from '../errors.ts';
import {
  createCommunicator,
  rankFailed,
  requireSameArrays,
  type CollectiveArray,
  type Communicator,
  type CommunicatorOptions,
  type RankTransport,
} from './communicator.ts';

interface Call {
  readonly name: string;
  readonly array: CollectiveArray;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Values of all ranks at one place, in the order of ranks. */
const combine = (into: CollectiveArray, more: CollectiveArray, operation: 'sum' | 'max'): void => {
  for (let i = 0; i < into.length; i += 1) {
    const [a = 0, b = 0] = [into[i], more[i]];
    into[i] = operation === 'sum' ? a + b : Math.max(a, b);
  }
};

/** The calls of a group that not all ranks have made. */
const createMeeting = (size: number) => {
  const waiting: Map<number, Call>[] = [];
  /** Calls that each rank has made and are answered. */
  const answered: number[] = Array.from({ length: size }, () => 0);
  let base = 0;
  let failure: StateError | undefined;
  const fail = (error: StateError): void => {
    failure ??= error;
    for (const calls of waiting.splice(0)) for (const call of calls.values()) call.reject(failure);
  };
  return {
    fail,
    /** @param finish computes the call on the arrays of all ranks, in their order */
    call(
      rank: number,
      { name, array }: Pick<Call, 'name' | 'array'>,
      finish: (arrays: readonly CollectiveArray[]) => void,
    ): Promise<void> {
      if (failure) return Promise.reject(failure);
      const at = (answered[rank] ?? 0) - base;
      answered[rank] = (answered[rank] ?? 0) + 1;
      const calls = (waiting[at] ??= new Map());
      return new Promise((resolve, reject) => {
        calls.set(rank, { name, array, resolve, reject });
        if (calls.size < size) return;
        const all = Array.from({ length: size }, (_, of) => calls.get(of) as Call);
        const other = all.find((call) => call.name !== all[0]?.name);
        waiting.shift();
        base += 1;
        try {
          if (other) {
            const names = all.map((call, of) => `${call.name} of rank ${of}`).join(', ');
            throw new StateError(`communicator: expected one call of all ranks, got ${names}`);
          }
          const arrays = all.map((call) => call.array);
          requireSameArrays(arrays);
          finish(arrays);
          for (const call of all) call.resolve();
        } catch (error) {
          for (const call of all) call.reject(error);
        }
      });
    },
  };
};

/**
 * The communicators of `size` ranks in this process, in their order.
 * @throws ConfigError for a size that is none
 */
export const inProcessCommunicators = (
  size: number,
  options: CommunicatorOptions = {},
): readonly Communicator[] => {
  if (!Number.isInteger(size) || size < 1) {
    throw new ConfigError(`inProcessCommunicators: expected a size of at least 1, got ${size}`);
  }
  const meeting = createMeeting(size);
  return Array.from({ length: size }, (_, rank) => {
    const transport: RankTransport = {
      rank,
      size,
      reduce: (array, operation) =>
        meeting.call(rank, { name: `reduce (${operation})`, array }, (arrays) => {
          const [first, ...others] = arrays as [CollectiveArray, ...CollectiveArray[]];
          const sum = first.slice();
          for (const other of others) combine(sum, other, operation);
          for (const each of arrays) each.set(sum);
        }),
      gather(part, whole) {
        whole.set(part, rank * part.length);
        return meeting.call(rank, { name: `gather of ${part.length}`, array: whole }, (arrays) => {
          arrays.forEach((from, of) => {
            const theirs = from.slice(of * part.length, (of + 1) * part.length);
            for (const each of arrays) each.set(theirs, of * part.length);
          });
        });
      },
      broadcast: (array, root) =>
        meeting.call(rank, { name: `broadcast of ${root}`, array }, (arrays) => {
          const from = (arrays[root] as CollectiveArray).slice();
          for (const each of arrays) each.set(from);
        }),
      barrier: () => meeting.call(rank, { name: 'barrier', array: new Uint8Array(0) }, () => undefined),
      abort(reason) {
        meeting.fail(rankFailed(`rank ${rank} ended the run: ${reason}`, { ranks: [rank] }));
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
    return createCommunicator(transport, options);
  });
};
