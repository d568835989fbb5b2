/** Batches of a shard set as a pure function of their number: the only state of a consumer is one integer. */
import type { RecordBatch, Schema } from 'apache-arrow';
import { ConfigError } from '@polygate/core';
import { batchBytes } from './arrow-data.ts';
import { batchCount, type BatchOrder, globalBatch, rankSlice } from './order.ts';
import { mapOrdered, type OrderedOptions } from './ordered.ts';

/** Rows that can be read by number: a {@link ShardSet}, or another team's store. */
export interface RowReader {
  readonly schema: Schema;
  readonly rowCount: number;
  read(indices: readonly number[]): Promise<RecordBatch>;
}

/** What a batch source reads and how it is ordered. */
export interface BatchSourceOptions {
  readonly shards: RowReader;
  readonly seed: number;
  /** Rows of a global batch, all ranks together. */
  readonly batchSize: number;
  /** A new permutation each epoch; else rows come as they lie. @default true */
  readonly shuffle?: boolean;
  /** Passes over the data; the last batch may be short. @default Infinity */
  readonly epochs?: number;
  /** This process, from 0. @default 0 */
  readonly rank?: number;
  /** Processes that share each global batch evenly. @default 1 */
  readonly ranks?: number;
}

/** Where to start and how far to read ahead; the bounds may stand here or under `prefetch`. */
export interface BatchRange extends OrderedOptions {
  /** First batch. @default 0 */
  readonly start?: number;
  /** Batch to stop before. @default the last of the epochs, or none */
  readonly end?: number;
  readonly prefetch?: OrderedOptions;
}

/** Batches by number. */
export interface BatchSource {
  readonly schema: Schema;
  /** Number of global batches; Infinity without an end of epochs. */
  readonly batchCount: number;
  /** Row numbers of this rank's part of a batch. */
  indices(index: number): readonly number[];
  /** This rank's part of a global batch; the same for the same number, always. */
  batch(index: number): Promise<RecordBatch>;
  /** Batches in order, read ahead within a byte budget. */
  batches(range?: BatchRange): AsyncIterable<RecordBatch>;
}

function* numbers(start: number, end: number): Generator<number> {
  for (let i = start; i < end; i += 1) yield i;
}

/** A source of batches. @throws ConfigError when the ranks don't divide the batch or the data are empty */
export const createBatchSource = (options: BatchSourceOptions): BatchSource => {
  const { shards, seed, batchSize, shuffle = true, epochs = Infinity, rank = 0, ranks = 1 } = options;
  if (batchSize % ranks !== 0) {
    throw new ConfigError(
      `batch source: expected a batchSize that ${ranks} ranks divide evenly, got ${batchSize}; ` +
        `choose ${Math.max(1, Math.round(batchSize / ranks)) * ranks}`,
    );
  }
  const order: BatchOrder = { seed, size: shards.rowCount, batchSize, shuffle, epochs };
  rankSlice([], rank, ranks);
  const indices = (index: number): readonly number[] => rankSlice(globalBatch(index, order), rank, ranks);
  indices(0);
  const batch = (index: number): Promise<RecordBatch> => shards.read(indices(index));
  return {
    schema: shards.schema,
    batchCount: batchCount(order),
    indices,
    batch,
    batches({ start = 0, end = batchCount(order), prefetch, ...bounds } = {}) {
      return mapOrdered(numbers(start, end), batch, { sizeOf: batchBytes, ...bounds, ...prefetch });
    },
  };
};
