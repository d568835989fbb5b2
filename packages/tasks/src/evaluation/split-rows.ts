/** Rows of a split for evaluation: all, or a sample that depends on a seed alone, in batches. */
import { permute, type RecordBatch, type ShardSet } from '@polygate/stream';

export interface SplitOptions {
  /** Most rows. @default all */
  readonly limit?: number;
  /** Chooses which rows when there are more than `limit`. @default 1 */
  readonly seed?: number;
  /** @default 64 */
  readonly batchSize?: number;
}

/** Row numbers of a split: rising, without repeats. */
const splitRows = (rowCount: number, options: SplitOptions = {}): readonly number[] => {
  const { limit = rowCount, seed = 1 } = options;
  if (rowCount <= limit) return Array.from({ length: rowCount }, (_, i) => i);
  return Array.from({ length: limit }, (_, i) => permute(i, { seed, epoch: 0, size: rowCount })).sort(
    (a, b) => a - b,
  );
};

/** Rows of a split in rising order, without repeats, batch by batch. */
export async function* splitBatches(
  shards: ShardSet,
  options: SplitOptions = {},
): AsyncGenerator<RecordBatch> {
  const { batchSize = 64 } = options;
  const rows = splitRows(shards.rowCount, options);
  for (let start = 0; start < rows.length; start += batchSize) {
    yield await shards.read(rows.slice(start, start + batchSize));
  }
}
