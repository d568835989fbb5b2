/**
 * Streams of random numbers that follow the step: those that a function forked in one step give the numbers of another step
 * when they are moved there. What a stream gives is a pure function of where it was forked and how often it was asked.
 */
import { rowRandoms, type BatchRandom, type FollowingRandom } from './batch-random.ts';
import { StateError } from './errors.ts';
import type { Random } from './random.ts';

/** A batch's randomness, in the place of that of the step at work. */
export interface FollowedRandom {
  readonly random: BatchRandom;
  /** From now on all streams are those of this batch, at their beginning. Its streams are forked, never advanced. */
  moveTo(random: BatchRandom): void;
}

/** The stream that is found where `find` looks, looked for once in each step. */
type Find<T> = () => T;

const plainStream = (find: Find<Random>, once: <T>(find: Find<T>) => Find<T>): FollowingRandom => ({
  next: () => find().next(),
  uint32: () => find().uint32(),
  integer: (bound) => find().integer(bound),
  normal: () => find().normal(),
  state: () => find().state(),
  fork: (label) =>
    plainStream(
      once(() => find().fork(label)),
      once,
    ),
  follow: (draw) => {
    const value = once(() => draw(find()));
    // In the order in which the function draws: a stream is advanced here.
    value();
    return value;
  },
  rowStreams: (rows, purpose) => {
    const streams = once(() => rowRandoms(find(), rows, purpose));
    streams();
    return Array.from({ length: rows }, (_, row) => plainStream(() => streams()[row] as Random, once));
  },
});

const batchStream = (
  find: Find<BatchRandom>,
  once: <T>(find: Find<T>) => Find<T>,
): BatchRandom & FollowingRandom => ({
  ...plainStream(find, once),
  forSample: (row, purpose) =>
    plainStream(
      once(() => find().forSample(row, purpose)),
      once,
    ),
  shared: plainStream(
    once(() => find().shared),
    once,
  ),
  fork: (label) =>
    batchStream(
      once(() => find().fork(label)),
      once,
    ),
});

const refuseDraw = (): never => {
  const why = 'the randomness of the step itself is drawn from';
  throw new StateError(`replay: expected streams that are forked of it, but ${why}; fork it`, {
    code: 'not-recordable',
    fields: { why },
  });
};

/** A stream that is not advanced: a step that is computed again would find it elsewhere. */
const forkedOnly = <T extends Random>(stream: T): T => ({
  ...stream,
  next: refuseDraw,
  uint32: refuseDraw,
  integer: refuseDraw,
  normal: refuseDraw,
});

/** @example const followed = followRandom(random); followed.moveTo(nextRandom); */
export const followRandom = (start: BatchRandom): FollowedRandom => {
  let current = start;
  let steps = 0;
  const once = <T>(find: Find<T>): Find<T> => {
    let at = -1;
    let found: T | undefined;
    return () => {
      if (at !== steps) found = find();
      at = steps;
      return found as T;
    };
  };
  const shared = plainStream(() => current.shared, once);
  const random: BatchRandom & FollowingRandom = {
    ...forkedOnly(batchStream(() => current, once)),
    follow: refuseDraw,
    rowStreams: (rows, purpose) => Array.from({ length: rows }, (_, row) => random.forSample(row, purpose)),
    shared: forkedOnly(shared),
  };
  return {
    random,
    moveTo: (random) => {
      current = random;
      steps += 1;
    },
  };
};
