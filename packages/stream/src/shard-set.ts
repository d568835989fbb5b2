/** Reading a folder of shards: whole, in order, or any rows in any order. */
import { join } from 'node:path';
import PQueue from 'p-queue';
import type { RecordBatch, Schema } from 'apache-arrow';
import { type Budgets, ByteGate, ConfigError, resolveBudgets, ShapeError, StateError } from '@polygate/core';
import { type LinkPolicy, requireInside } from '@polygate/core/node';
import { batchBytes, rowBytes } from './arrow-data.ts';
import { type CacheReport, createBatchCache } from './batch-cache.ts';
import { createDecoder, type BatchDecoder } from './decode.ts';
import { createGatherer, type Gatherer } from './gather.ts';
import {
  type BatchExtent,
  type Manifest,
  manifestPath,
  manifestSchema,
  readManifest,
  type ShardEntry,
} from './manifest.ts';
import { MessageFault } from './flatbuffer.ts';
import { mapOrdered, type OrderedOptions, turn } from './ordered.ts';
import { damagedShard, ShardFiles } from './shard-files.ts';

/** How a folder of shards is opened. */
export interface OpenOptions extends LinkPolicy {
  /** Read and check every byte before the set is handed out; batches are checked as they are read in any case. @default false */
  readonly verify?: boolean;
  /** Decoded batches kept for random reads, in bytes. @default 268435456 */
  readonly cacheBytes?: number;
  /** `batchBytes` bounds what a batch expands to, and all that are expanded at once. @default those of core */
  readonly budgets?: Partial<Budgets>;
}

/** A folder of shards, open for reading. */
export interface ShardSet extends AsyncDisposable {
  readonly directory: string;
  readonly schema: Schema;
  readonly manifest: Manifest;
  readonly rowCount: number;
  /** Rows by number, in the order asked for, in a batch of its own buffers. */
  read(indices: readonly number[]): Promise<RecordBatch>;
  /** All batches in file order, read ahead within a byte budget; not cached. */
  batches(options?: OrderedOptions): AsyncIterable<RecordBatch>;
  /** What the cache of random reads holds. */
  cache(): CacheReport;
  close(): Promise<void>;
}

const DEFAULT_CACHE_BYTES = 2 ** 28;
/** Batches that are read from disk at once. */
const READ_CONCURRENCY = 8;
/** Bytes copied before the event loop gets a turn. */
const COPY_BYTES_PER_TURN = 2 ** 23;

interface Located {
  readonly shard: ShardEntry;
  /** Number of the batch in its shard. */
  readonly part: number;
  readonly extent: BatchExtent;
}

/** Rows of one batch that a read asks for: row in the batch, slot in the result. */
interface Wanted {
  readonly rows: number[];
  readonly slots: number[];
}

class OpenShardSet implements ShardSet {
  readonly directory: string;
  readonly schema: Schema;
  readonly manifest: Manifest;
  readonly rowCount: number;
  readonly #files: ShardFiles;
  readonly #located: readonly Located[];
  /** First row of each batch, and the row count at the end. */
  readonly #starts: Float64Array;
  readonly #decode: BatchDecoder;
  readonly #cache: ReturnType<typeof createBatchCache>;
  readonly #loading = new Map<number, Promise<RecordBatch>>();
  readonly #queue = new PQueue({ concurrency: READ_CONCURRENCY });
  #closed = false;

  constructor(directory: string, manifest: Manifest, options: OpenOptions) {
    const { cacheBytes = DEFAULT_CACHE_BYTES } = options;
    const { batchBytes } = resolveBudgets(options.budgets);
    this.directory = directory;
    this.manifest = manifest;
    this.schema = manifestSchema(manifest);
    this.rowCount = manifest.rows;
    this.#files = new ShardFiles(directory);
    this.#located = manifest.shards.flatMap((shard) =>
      shard.batches.map((extent, part) => ({ shard, part, extent })),
    );
    this.#starts = new Float64Array(this.#located.length + 1);
    this.#located.forEach(({ extent }, i) => {
      this.#starts[i + 1] = (this.#starts[i] ?? 0) + extent.rows;
    });
    this.#decode = createDecoder(this.schema, { batchBytes, gate: new ByteGate(batchBytes) });
    this.#cache = createBatchCache(cacheBytes);
  }

  /** Checks sizes, headers and footers, and with `whole` every batch. */
  async check(whole: boolean): Promise<void> {
    await Promise.all(
      this.manifest.shards.map((shard) =>
        this.#queue.add(async () => {
          await this.#files.checkSize(shard);
          await this.#files.read(shard, shard.header, 'header');
          await this.#files.read(shard, shard.footer, 'footer');
        }),
      ),
    );
    if (!whole) return;
    for await (const batch of this.batches()) void batch;
  }

  async read(indices: readonly number[]): Promise<RecordBatch> {
    this.#requireOpen();
    const gatherer = createGatherer(this.schema, indices.length, true);
    const pending: Promise<void>[] = [];
    let copied = 0;
    for (const [number, wanted] of this.#group(indices)) {
      const cached = this.#cache.get(number);
      if (cached === undefined) {
        pending.push(this.#load(number).then((batch) => put(gatherer, batch, wanted)));
        continue;
      }
      copied += rowBytes(cached, 0, 1) * wanted.rows.length;
      put(gatherer, cached, wanted);
      if (copied < COPY_BYTES_PER_TURN) continue;
      copied = 0;
      await Promise.all(pending.splice(0)).then(turn);
    }
    await Promise.all(pending);
    return gatherer.finish();
  }

  batches(options: OrderedOptions = {}): AsyncIterable<RecordBatch> {
    this.#requireOpen();
    return mapOrdered(this.#located, (located) => this.#decoded(located), { sizeOf: batchBytes, ...options });
  }

  cache(): CacheReport {
    return this.#cache.report();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cache.clear();
    await this.#queue.onIdle();
    await this.#files.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #requireOpen(): void {
    if (!this.#closed) return;
    throw new StateError(`${this.directory}: expected an open shard set, got a closed one; open it again`);
  }

  /** Rows wanted by batch number, in order of first want. */
  #group(indices: readonly number[]): Map<number, Wanted> {
    const groups = new Map<number, Wanted>();
    indices.forEach((index, slot) => {
      if (!Number.isInteger(index) || index < 0 || index >= this.rowCount) {
        throw new ShapeError(
          `${this.directory}: expected rows of 0 to ${this.rowCount - 1}, got ${index}; take indices modulo rowCount`,
        );
      }
      const number = this.#batchOf(index);
      let wanted = groups.get(number);
      if (wanted === undefined) groups.set(number, (wanted = { rows: [], slots: [] }));
      wanted.rows.push(index - (this.#starts[number] ?? 0));
      wanted.slots.push(slot);
    });
    return groups;
  }

  #batchOf(index: number): number {
    let low = 0;
    let high = this.#located.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.#starts[middle] ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Loads a batch into the cache; two readers of one batch share the load. */
  #load(number: number): Promise<RecordBatch> {
    const running = this.#loading.get(number);
    if (running !== undefined) return running;
    const load = this.#queue
      .add(() => this.#decoded(this.#located[number] as Located))
      .then((batch) => {
        // A batch holds the bytes that were read, and beside them what was decompressed.
        this.#cache.set(
          number,
          batch,
          Math.max(this.#located[number]?.extent.length ?? 0, batchBytes(batch)),
        );
        return batch;
      })
      .finally(() => this.#loading.delete(number));
    this.#loading.set(number, load);
    return load;
  }

  async #decoded({ shard, part, extent }: Located): Promise<RecordBatch> {
    const bytes = await this.#files.read(shard, extent, part);
    try {
      return await this.#decode(bytes, extent.rows);
    } catch (cause) {
      if (!(cause instanceof MessageFault)) throw cause;
      throw damagedShard(
        this.#files.path(shard),
        { part, offset: extent.offset + cause.offset },
        {
          detail: `expected a record batch of the manifest's schema, got ${cause.message}`,
          code: 'shard-content',
          cause,
        },
      );
    }
  }
}

const put = (gatherer: Gatherer, batch: RecordBatch, { rows, slots }: Wanted): void => {
  for (let i = 0; i < rows.length; i += 1) {
    gatherer.put(batch, { slot: slots[i] ?? 0, start: rows[i] ?? 0, count: 1 });
  }
};

/**
 * Opens a folder that {@link writeShards} filled. Sizes, headers and footers are checked now, batches when they are
 * read: their CRC-32 before anything is parsed.
 * @throws FormatError naming file, batch and byte when the folder is incomplete or damaged
 */
export const openShards = async (directory: string, options: OpenOptions = {}): Promise<ShardSet> => {
  const { cacheBytes = DEFAULT_CACHE_BYTES, verify = false } = options;
  if (!(cacheBytes >= 0)) {
    throw new ConfigError(`open shards: expected cacheBytes of 0 or more, got ${cacheBytes}`);
  }
  await requireInside(directory, await manifestPath(directory), options);
  const manifest = await readManifest(directory);
  for (const { file } of manifest.shards) await requireInside(directory, join(directory, file), options);
  const set = new OpenShardSet(directory, manifest, options);
  try {
    await set.check(verify);
  } catch (error) {
    await set.close();
    throw error;
  }
  return set;
};
