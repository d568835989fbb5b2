/** The randomness of a source's batches: samples by their place in the order of the source, the rest by the step. */
import { createBatchRandom, type BatchRandom, type Random } from '@polygate/core';
import type { TrainSource } from './run-options.ts';

/** Which batch, and what draws. */
export interface SourceDraw {
  /** Number of the batch in its source. */
  readonly cursor: number;
  /** Index of the update that it is for. */
  readonly step: number;
  /** The source itself, or the loss of the batch. */
  readonly use: 'data' | 'model';
}

/** @param random the run's stream; forked, never advanced */
export const sourceRandom = (
  random: Random,
  { name, batchSize = 1 }: Pick<TrainSource<unknown>, 'name' | 'batchSize'>,
  { cursor, step, use }: SourceDraw,
): BatchRandom =>
  createBatchRandom({
    samples: random.fork('sample').fork(name).fork(use),
    step: random.fork('step').fork(step).fork(use),
    first: cursor * batchSize,
  });
