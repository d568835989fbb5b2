/**
 * Randomness that knows no ranks. A draw that belongs to a sample is keyed by the sample's place in the order of its task,
 * whichever process or part of an accumulated batch holds it; a draw that all share is keyed by the step. docs/randomness.md
 * lists which is which.
 */
import { createRandom, type Random, type RandomState } from './random.ts';

/**
 * The randomness of one batch. As a {@link Random} it is the stream of the step, which all rows of all processes share:
 * each of them draws the same. What belongs to a row is drawn from {@link BatchRandom.forSample}.
 */
export interface BatchRandom extends Random {
  /** The stream of a row of this batch for one purpose; asked again, it begins anew. @param row counted from 0 */
  forSample(row: number, purpose: string): Random;
  /** The stream of the step alone: to it, rows are those of a list that all processes have, such as candidates. */
  readonly shared: Random;
  /** Both kinds of streams for one purpose. */
  fork(label: string | number): BatchRandom;
}

/** Where the streams of a batch come from. */
export interface BatchRandomOptions {
  /** Stream of the samples of a task; forked, never advanced. */
  readonly samples: Random;
  /** Stream of the step; forked, never advanced. */
  readonly step: Random;
  /** Place of row 0 in the order of the task: batches before this one times their size, and rows of earlier ranks. @default 0 */
  readonly first?: number;
}

const withStreams = (samples: Random, step: Random, first: number): BatchRandom => ({
  next: () => step.next(),
  uint32: () => step.uint32(),
  integer: (bound) => step.integer(bound),
  normal: () => step.normal(),
  state: (): RandomState => step.state(),
  forSample: (row, purpose) => samples.fork(first + row).fork(purpose),
  shared: step,
  fork: (label) => withStreams(samples.fork(label), step.fork(label), first),
});

/** @example createBatchRandom({ samples: random.fork('sample').fork(task), step: random.fork('step').fork(step), first: cursor * batchSize }) */
export const createBatchRandom = ({ samples, step, first = 0 }: BatchRandomOptions): BatchRandom =>
  withStreams(samples.fork('rows'), step.fork('all'), first);

/** The randomness of rows of a batch from `first` on, as a batch of their own: its row 0 is row `first` of the whole. */
export const partRandom = (random: BatchRandom, first: number): BatchRandom => ({
  ...random,
  forSample: (row, purpose) => random.forSample(first + row, purpose),
  fork: (label) => partRandom(random.fork(label), first),
});

const isOfBatch = (random: Random): random is BatchRandom => 'forSample' in random;

/**
 * The stream of a row for one purpose. A plain stream is that of a batch that is alone: its rows count from 0. Not advanced.
 * @param row counted from 0
 */
export const rowRandom = (random: Random, row: number, purpose: string): Random =>
  isOfBatch(random) ? random.forSample(row, purpose) : random.fork(purpose).fork(row);

/** A stream that stands for those of one step after another: see `followRandom`. */
export interface FollowingRandom extends Random {
  /** Draws now, and in each later step when it is asked there first. */
  follow<T>(draw: (random: Random) => T): () => T;
  /** As {@link rowRandoms} of the stream that it stands for. */
  rowStreams(rows: number, purpose: string): readonly Random[];
}

const isFollowing = (random: Random): random is FollowingRandom => 'follow' in random;

/**
 * What is drawn for a step, now: the function tells it. In a function that is recorded it tells in each run what is drawn for
 * the step of that run.
 */
export const drawn = <T>(random: Random, draw: (random: Random) => T): (() => T) => {
  if (isFollowing(random)) return random.follow(draw);
  const value = draw(random);
  return () => value;
};

/**
 * Streams of all rows for one purpose, for callers that are called again with the same stream: a plain one is advanced by
 * one word.
 */
export const rowRandoms = (random: Random, rows: number, purpose: string): readonly Random[] => {
  if (isFollowing(random)) return random.rowStreams(rows, purpose);
  if (isOfBatch(random)) return Array.from({ length: rows }, (_, row) => random.forSample(row, purpose));
  const base = createRandom(random.uint32()).fork(purpose);
  return Array.from({ length: rows }, (_, row) => base.fork(row));
};

/** The stream that all rows of all processes share. */
export const sharedRandom = (random: Random): Random => (isOfBatch(random) ? random.shared : random);
