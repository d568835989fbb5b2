/**
 * Batches of a record-batch stream as a source of training: the cursor is the number of the global batch, so the
 * order is the stream's own and a resume needs no more than that one number.
 */
import type { Random } from '@polygate/core';
import type { BatchSource, RecordBatch } from '@polygate/stream';
import type { TrainSource } from './run-options.ts';

/** How a task turns rows into what its loss takes. */
export type Collate<Batch> = (
  rows: RecordBatch,
  options: { readonly random: Random; readonly training: true },
) => Batch | Promise<Batch>;

/** Settings of {@link streamSource}: those of a {@link TrainSource}, with rows and collation in place of `next`. */
export interface StreamSourceOptions<Batch> extends Omit<TrainSource<Batch>, 'next'> {
  /** Rows by batch number; endless, or long enough for the run. */
  readonly batches: Pick<BatchSource, 'batch'>;
  /** Pure in rows and random. */
  readonly collate: Collate<Batch>;
}

/** @example streamSource({ name: 'captions', size: shards.rowCount, batches, collate: task.collate }) */
export const streamSource = <Batch>(options: StreamSourceOptions<Batch>): TrainSource<Batch> => {
  const { batches, collate, ...rest } = options;
  return Object.freeze({
    ...rest,
    next: async (cursor: number, { random }: { readonly random: Random }) =>
      collate(await batches.batch(cursor), { random, training: true }),
  });
};
