/** Ends of pipes: shards on disk, batches in memory, a function per batch. */
import type { RecordBatch } from 'apache-arrow';
import type { Manifest } from './manifest.ts';
import type { Sink } from './pipe.ts';
import type { StageColumns } from './stage.ts';
import { type WriteOptions, writeShards } from './shard-writer.ts';

/** Writes the rows as a folder of shards; see {@link writeShards}. */
export const shardSink = (directory: string, options: WriteOptions = {}): Sink<Manifest> => ({
  name: 'shards',
  needs: [],
  consume: (batches, schema) => writeShards(directory, schema, batches, options),
});

/** Keeps all batches in memory; for small streams and tests. */
export const collectSink = (): Sink<RecordBatch[]> => ({
  name: 'collect',
  needs: [],
  async consume(batches) {
    const all: RecordBatch[] = [];
    for await (const batch of batches) all.push(batch);
    return all;
  },
});

/** Awaits a function for each batch; gives the number of rows seen. */
export const forEachSink = (
  columns: { readonly name: string; readonly needs: StageColumns['needs'] },
  take: (batch: RecordBatch) => Promise<void> | void,
): Sink<number> => ({
  ...columns,
  async consume(batches) {
    let rows = 0;
    for await (const batch of batches) {
      await take(batch);
      rows += batch.numRows;
    }
    return rows;
  },
});
