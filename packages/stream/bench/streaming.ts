/**
 * Streams a large folder of shards and reports throughput, memory over the start and the longest block of the event
 * loop. Checks what it read before it reports. Run: `node --conditions=@polygate/source --expose-gc
 * packages/stream/bench/streaming.ts [gigabytes=2] [folder=os.tmpdir()]` (Node 22.18 or newer), or through `npx tsx`.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
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

const gigabytes = Number(process.argv[2] ?? 2);
const parent = process.argv[3] ?? tmpdir();
/** A 48 x 48 RGB picture. */
const IMAGE_BYTES = 48 * 48 * 3;
const ROWS_PER_INPUT = 512;
const PREFETCH_BYTES = 64 * 2 ** 20;
const CACHE_BYTES = 64 * 2 ** 20;

const schema = defineSchema({ id: 'utf8', image: { fixedList: 'uint8', size: IMAGE_BYTES }, label: 'int32' });
const rows = Math.ceil((gigabytes * 2 ** 30) / IMAGE_BYTES / ROWS_PER_INPUT) * ROWS_PER_INPUT;

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
    ) {
      throw new Error(`row ${label} came back wrong`);
    }
  }
};

/**
 * Processor time of the main thread in milliseconds, from Linux's scheduler: unlike the clock it does not count the
 * time that a busy machine gave to others, so blocks of the event loop can be told from waiting for a core.
 */
const schedule = `/proc/self/task/${process.pid}/schedstat`;
const threadMilliseconds = (): number =>
  existsSync(schedule) ? Number(readFileSync(schedule, 'utf8').split(' ')[0]) / 1e6 : Number.NaN;

const report: Record<string, unknown>[] = [];

/** Runs an action over batches and notes rows per second, the peak of resident memory and the longest block. */
const measure = async (
  name: string,
  action: (see: (batch: RecordBatch) => void) => Promise<void>,
): Promise<void> => {
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  let peak = before;
  let seen = 0;
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  let longest = 0;
  let last = threadMilliseconds();
  const timer = setInterval(() => {
    const now = threadMilliseconds();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  const start = performance.now();
  await action((batch) => {
    check(batch);
    seen += batch.numRows;
    peak = Math.max(peak, process.memoryUsage.rss());
  });
  const seconds = (performance.now() - start) / 1000;
  delay.disable();
  clearInterval(timer);
  report.push({
    case: name,
    rows: seen,
    seconds: Number(seconds.toFixed(2)),
    rowsPerSecond: Math.round(seen / seconds),
    megabytesPerSecond: Math.round((seen * IMAGE_BYTES) / 2 ** 20 / seconds),
    rssGrowthMegabytes: Math.round((peak - before) / 2 ** 20),
    longestBlockMilliseconds: Number((delay.max / 1e6).toFixed(1)),
    longestBlockProcessorMilliseconds: Number(longest.toFixed(1)),
  });
  process.stderr.write(`${JSON.stringify(report.at(-1))}\n`);
};

const folder = await mkdtemp(join(parent, 'polygate-bench-'));
try {
  const directory = join(folder, 'shards');
  await measure('write', async (see) => {
    async function* counted(): AsyncGenerator<RecordBatch> {
      for await (const batch of batches()) {
        see(batch);
        yield batch;
      }
    }
    await writeShards(directory, schema, counted());
  });
  const shards = await openShards(directory, { cacheBytes: CACHE_BYTES });
  await measure('sequential', async (see) => {
    for await (const batch of shards.batches({ bytes: PREFETCH_BYTES })) see(batch);
  });
  await measure('random batches of 64, cache 64 MB', async (see) => {
    const source = createBatchSource({ shards, seed: 1, batchSize: 64 });
    for await (const batch of source.batches({ end: 300, bytes: PREFETCH_BYTES })) see(batch);
  });
  await shards.close();
  const small = await openShards(directory, { cacheBytes: 2 ** 28 });
  const subset = { schema: small.schema, rowCount: Math.min(rows, 20_000), read: small.read.bind(small) };
  await measure('random batches of 64, all cached', async (see) => {
    const source = createBatchSource({ shards: subset, seed: 1, batchSize: 64, epochs: 5 });
    for await (const batch of source.batches({ bytes: PREFETCH_BYTES })) see(batch);
  });
  await small.close();
  process.stdout.write(`${JSON.stringify({ bench: 'streaming', node: process.version, report }, null, 2)}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
