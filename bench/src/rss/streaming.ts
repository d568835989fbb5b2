/**
 * A child of the case `rss`: writes two gigabytes of shards, or streams them in order or at random, checking what comes
 * back, and notes the highest resident memory over that of the process before. One phase a process: what an allocator
 * keeps of the phase before must not count.
 *
 * node --expose-gc streaming.js write|in-order|random FOLDER [GIGABYTES]
 */
import { StateError, unknownName } from '@polygate/core';
import {
  buildBatch,
  createBatchSource,
  defineSchema,
  fixedListRow,
  openShards,
  type RecordBatch,
  textRow,
  values,
  writeShards,
} from '@polygate/stream';
import { join } from 'node:path';
import { MEGABYTE, report, residentMegabytes } from './resident.ts';

const [phase = '', folder = '', gigabytes = '2'] = process.argv.slice(2);
/** A 48 x 48 RGB image. */
const IMAGE_BYTES = 48 * 48 * 3;
const ROWS_PER_INPUT = 512;
const PREFETCH_BYTES = 64 * MEGABYTE;
const CACHE_BYTES = 64 * MEGABYTE;
/** Rows from all over the shards: each batch opens many of their batches. */
const RANDOM_BATCH = 64;
const RANDOM_BATCHES = 300;
/** What a stream may hold beside its budget of bytes. */
const BESIDE_MEGABYTES = 100;

const schema = defineSchema({ id: 'utf8', image: { fixedList: 'uint8', size: IMAGE_BYTES }, label: 'int32' });
const rows = Math.ceil((Number(gigabytes) * 2 ** 30) / IMAGE_BYTES / ROWS_PER_INPUT) * ROWS_PER_INPUT;

async function* batches(): AsyncGenerator<RecordBatch> {
  for (let start = 0; start < rows; start += ROWS_PER_INPUT) {
    const image = new Uint8Array(ROWS_PER_INPUT * IMAGE_BYTES);
    for (let i = 0; i < ROWS_PER_INPUT; i += 1)
      image.fill((start + i) % 251, i * IMAGE_BYTES, (i + 1) * IMAGE_BYTES);
    yield buildBatch(schema, {
      id: Array.from({ length: ROWS_PER_INPUT }, (_, i) => `row-${start + i}`),
      image,
      label: Int32Array.from({ length: ROWS_PER_INPUT }, (_, i) => start + i),
    });
  }
}

const check = (batch: RecordBatch): void => {
  const labels = values(batch, 'label');
  for (const i of [0, batch.numRows - 1]) {
    const label = labels[i] ?? -1;
    const image = fixedListRow(batch, 'image', i);
    if (
      textRow(batch, 'id', i) !== `row-${label}` ||
      image[0] !== label % 251 ||
      image.at(-1) !== label % 251
    )
      throw new StateError(`rss: row ${label} came back wrong; the shards or their reader are at fault`);
  }
};

let peak = 0;
/** Passes batches on, checked, and notes the peak of resident memory. */
async function* watch(stream: AsyncIterable<RecordBatch>): AsyncGenerator<RecordBatch> {
  for await (const batch of stream) {
    check(batch);
    peak = Math.max(peak, process.memoryUsage.rss() / MEGABYTE);
    yield batch;
  }
}

const count = async (stream: AsyncIterable<RecordBatch>): Promise<number> => {
  let seen = 0;
  for await (const batch of watch(stream)) seen += batch.numRows;
  return seen;
};

const directory = join(folder, 'shards');
/** Each phase gives the rows that it took, and the bytes that it may hold by its own settings. */
const phases: Readonly<Record<string, () => Promise<{ readonly rows: number; readonly budget: number }>>> = {
  async write() {
    const manifest = await writeShards(directory, schema, watch(batches()));
    const written = manifest.shards.reduce((sum, shard) => sum + shard.rows, 0);
    if (written !== rows) throw new StateError(`rss: expected ${rows} rows on disk, got ${written}`);
    return { rows: written, budget: 0 };
  },
  async 'in-order'() {
    const shards = await openShards(directory, { cacheBytes: CACHE_BYTES });
    const seen = await count(shards.batches({ bytes: PREFETCH_BYTES }));
    await shards.close();
    if (seen !== rows) throw new StateError(`rss: expected ${rows} rows, got ${seen}`);
    return { rows: seen, budget: PREFETCH_BYTES + CACHE_BYTES };
  },
  async random() {
    const shards = await openShards(directory, { cacheBytes: CACHE_BYTES });
    const source = createBatchSource({ shards, seed: 1, batchSize: RANDOM_BATCH });
    const seen = await count(source.batches({ end: RANDOM_BATCHES, bytes: PREFETCH_BYTES }));
    await shards.close();
    if (seen !== RANDOM_BATCHES * RANDOM_BATCH)
      throw new StateError(`rss: expected ${RANDOM_BATCHES * RANDOM_BATCH} rows, got ${seen}`);
    return { rows: seen, budget: PREFETCH_BYTES + CACHE_BYTES };
  },
};

const run = phases[phase];
if (!run) throw unknownName('phase', phase, Object.keys(phases));
const settled = residentMegabytes();
const start = performance.now();
const { rows: taken, budget } = await run();
const seconds = (performance.now() - start) / 1000;
report({
  name: `rss-streaming-${phase}`,
  validated: `${taken} rows of ${IMAGE_BYTES} bytes came ${phase === 'write' ? 'on disk' : 'back right'}`,
  settledMegabytes: settled,
  laterMegabytes: { peak },
  allowedMegabytes: budget / MEGABYTE + BESIDE_MEGABYTES,
  detail: {
    gigabytes: Number(gigabytes),
    budgetMegabytes: budget / MEGABYTE,
    rowsPerSecond: Math.round(taken / seconds),
  },
});
