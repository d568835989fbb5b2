/** Some rows of a reader as a reader of their own, which holds them in memory where they fit. */
import type { RecordBatch } from 'apache-arrow';
import { ConfigError, ShapeError } from '@polygate/core';
import { batchBytes } from './arrow-data.ts';
import type { RowReader } from './batch-source.ts';
import { createGatherer } from './gather.ts';

/** Bytes of rows that are held. */
const DEFAULT_HELD_BYTES = 2 ** 28;
/** Rows that are read at once when the held ones are filled. */
const ROWS_PER_READ = 256;

export interface ChosenRowsOptions {
  /** Numbers of the rows, in the order in which they are counted anew. */
  readonly rows: readonly number[];
  /**
   * Changes rows as they are read, such as what is left of their lists; of the reader's schema.
   * @param positions numbers of the batch's rows among the chosen ones
   */
  change?(batch: RecordBatch, positions: readonly number[]): RecordBatch;
  /** Most bytes that are held; rows that need more are read each time. @default 268435456 */
  readonly bytes?: number;
}

/** Batches of all chosen rows, or undefined where they need more bytes than may be held. */
const readAll = async (
  read: (positions: readonly number[]) => Promise<RecordBatch>,
  { size, bytes }: { readonly size: number; readonly bytes: number },
): Promise<readonly RecordBatch[] | undefined> => {
  const held: RecordBatch[] = [];
  let sum = 0;
  for (let first = 0; first < size; first += ROWS_PER_READ) {
    const count = Math.min(ROWS_PER_READ, size - first);
    const batch = await read(Array.from({ length: count }, (_, i) => first + i));
    held.push(batch);
    sum += batchBytes(batch);
    // What is read tells of what is not yet: nothing is read for nothing but the first part.
    if ((sum / (first + count)) * size > bytes) return undefined;
  }
  return held;
};

/**
 * A reader of some rows of another, which are counted anew from 0. The first read reads all of them, in the order of their
 * numbers, and they stay in memory: however small a part of its shards they are, these are not read again.
 * @throws ConfigError for no rows. Reads throw ShapeError for rows that are not there
 */
export const chosenRows = (reader: RowReader, options: ChosenRowsOptions): RowReader => {
  const { rows, change, bytes = DEFAULT_HELD_BYTES } = options;
  const size = rows.length;
  if (size === 0) throw new ConfigError('chosen rows: expected one row or more, got none');
  const readThrough = async (positions: readonly number[]): Promise<RecordBatch> => {
    const batch = await reader.read(positions.map((position) => rows[position] ?? -1));
    return change ? change(batch, positions) : batch;
  };
  let held: Promise<readonly RecordBatch[] | undefined> | undefined;
  return {
    schema: reader.schema,
    rowCount: size,
    async read(positions) {
      const outside = positions.find((position) => !(position >= 0 && position < size));
      if (outside !== undefined) {
        throw new ShapeError(`chosen rows: expected rows of 0 to ${size - 1}, got ${outside}`);
      }
      const filling = (held ??= readAll(readThrough, { size, bytes }));
      // A read that failed is tried again.
      filling.catch(() => (held = undefined));
      const batches = await filling;
      if (!batches) return readThrough(positions);
      const gatherer = createGatherer(reader.schema, positions.length, true);
      positions.forEach((position, slot) => {
        const batch = batches[Math.floor(position / ROWS_PER_READ)] as RecordBatch;
        gatherer.put(batch, { slot, start: position % ROWS_PER_READ, count: 1 });
      });
      return gatherer.finish();
    },
  };
};
