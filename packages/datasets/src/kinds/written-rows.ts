import { openShards, type RecordBatch } from '@polygate/stream';

/** One value of each row of a written split. */
export const readRows = async <T>(
  folder: string,
  toRow: (batch: RecordBatch, row: number) => T,
): Promise<T[]> => {
  const shards = await openShards(folder);
  try {
    const out: T[] = [];
    for await (const batch of shards.batches()) {
      for (let row = 0; row < batch.numRows; row += 1) out.push(toRow(batch, row));
    }
    return out;
  } finally {
    await shards.close();
  }
};
