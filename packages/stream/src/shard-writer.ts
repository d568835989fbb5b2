/** Writing record batches into a folder of shards that appears whole or not at all. */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordBatch, Schema } from 'apache-arrow';
import { type Budgets, ConfigError, crc32, resolveBudgets, ShapeError } from '@polygate/core';
import { writeDirectoryAtomic } from '@polygate/core/node';
import { refuseNullsIn, rowBytes } from './arrow-data.ts';
import { createEncoder, type Encoder } from './encode.ts';
import { joinRuns } from './gather.ts';
import type { Compression } from './lz4.ts';
import {
  type BatchExtent,
  type Extent,
  formatManifest,
  type Manifest,
  MANIFEST_FILE,
  MANIFEST_VERSION,
  MAX_BATCH_ROWS,
  type ShardEntry,
} from './manifest.ts';
import { schemaDifference, schemaFields, schemaMetadata } from './schema.ts';

/** How shards are cut. Rows are cut by these limits alone: how the input was batched leaves no trace. */
export interface WriteOptions {
  /** Rows of each batch. @default as many as fit in `batchBytes` */
  readonly rowsPerBatch?: number;
  /** Size at which a batch is cut when `rowsPerBatch` is not given, in bytes before compression. @default 65536 */
  readonly batchBytes?: number;
  /** Rows of each file. @default as many as fit in `shardBytes` */
  readonly rowsPerShard?: number;
  /** Size at which a file is ended when `rowsPerShard` is not given, in bytes. @default 268435456 */
  readonly shardBytes?: number;
  /** `batchBytes` bounds a batch that is cut by rows, and twice a row; readers have the same. @default those of core */
  readonly budgets?: Partial<Budgets>;
  /** @default 'none' */
  readonly compression?: Compression;
  /** Stops the writing; nothing is left behind. */
  readonly signal?: AbortSignal;
}

interface Run {
  readonly batch: RecordBatch;
  readonly start: number;
  count: number;
}

/** An error of the rows' source, carried past the writer's own error handling. */
class SourceFailure extends Error {}

const positive = (value: number | undefined, name: string, fallback: number): number => {
  if (value === undefined) return fallback;
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new ConfigError(`write shards: expected ${name} to be a positive whole number, got ${value}`);
};

class ShardWriter {
  readonly #directory: string;
  readonly #schema: Schema;
  readonly #compression: Compression;
  readonly #budget: number;
  readonly #batchRows: number;
  readonly #batchBytes: number;
  readonly #shardRows: number;
  readonly #shardBytes: number;
  readonly #shards: ShardEntry[] = [];
  #runs: Run[] = [];
  #pendingRows = 0;
  #pendingBytes = 0;
  #file: FileHandle | undefined;
  #encoder: Encoder | undefined;
  #header: Extent | undefined;
  #batches: BatchExtent[] = [];
  #offset = 0;
  #rows = 0;

  constructor(directory: string, schema: Schema, options: WriteOptions) {
    this.#directory = directory;
    this.#schema = schema;
    this.#compression = options.compression ?? 'none';
    this.#budget = resolveBudgets(options.budgets).batchBytes;
    const byRows = options.rowsPerBatch !== undefined;
    this.#batchRows = Math.min(
      positive(options.rowsPerBatch, 'rowsPerBatch', MAX_BATCH_ROWS),
      MAX_BATCH_ROWS,
    );
    this.#batchBytes = byRows ? this.#budget : positive(options.batchBytes, 'batchBytes', 2 ** 16);
    this.#shardRows = positive(options.rowsPerShard, 'rowsPerShard', Number.MAX_SAFE_INTEGER);
    this.#shardBytes =
      options.rowsPerShard === undefined
        ? positive(options.shardBytes, 'shardBytes', 2 ** 28)
        : Number.MAX_SAFE_INTEGER;
  }

  /** Takes the rows of a batch; resolves when what is due has reached the file. */
  async add(batch: RecordBatch): Promise<void> {
    const difference = schemaDifference(this.#schema, batch.schema);
    if (difference !== undefined) {
      throw new ConfigError(
        `write shards: ${difference} in the batch at row ${this.#totalRows()}; build every batch with the schema of the shards`,
        { code: 'schema', fields: { difference } },
      );
    }
    refuseNullsIn(batch, `write shards, batch at row ${this.#totalRows()}: `);
    let run: Run | undefined;
    for (let row = 0; row < batch.numRows; row += 1) {
      const bytes = rowBytes(batch, row, 1);
      if (bytes > this.#budget / 2) {
        throw new ShapeError(
          `write shards: expected rows of at most ${this.#budget / 2} bytes (half of budget batchBytes), got ${bytes} in row ${this.#totalRows()}; split the sample or raise the budget`,
        );
      }
      if (this.#pendingRows > 0 && this.#pendingBytes + bytes > this.#batchBytes) {
        await this.#flush();
        run = undefined;
      }
      if (run === undefined) {
        run = { batch, start: row, count: 0 };
        this.#runs.push(run);
      }
      run.count += 1;
      this.#pendingRows += 1;
      this.#pendingBytes += bytes;
      if (this.#pendingRows >= this.#batchRows || this.#rows + this.#pendingRows >= this.#shardRows) {
        await this.#flush();
        run = undefined;
      }
    }
  }

  /** Writes what is left and the manifest. */
  async finish(): Promise<Manifest> {
    await this.#flush();
    if (this.#file !== undefined || this.#shards.length === 0) await this.#endShard();
    const manifest: Manifest = Object.freeze({
      format: 'polygate-shards',
      version: MANIFEST_VERSION,
      fields: schemaFields(this.#schema),
      metadata: schemaMetadata(this.#schema),
      compression: this.#compression,
      rows: this.#totalRows(),
      bytes: this.#shards.reduce((sum, shard) => sum + shard.bytes, 0),
      shards: this.#shards,
    });
    const file = await open(join(this.#directory, MANIFEST_FILE), 'wx');
    try {
      await file.writeFile(formatManifest(manifest));
    } finally {
      await file.close();
    }
    return manifest;
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  #totalRows(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.rows, 0) + this.#rows + this.#pendingRows;
  }

  async #write(bytes: Uint8Array): Promise<Extent> {
    const extent = { offset: this.#offset, length: bytes.length, crc32: crc32(bytes) };
    await this.#file?.writeFile(bytes);
    this.#offset += bytes.length;
    return extent;
  }

  async #startShard(): Promise<Encoder> {
    const name = `shard-${String(this.#shards.length).padStart(5, '0')}.arrow`;
    this.#file = await open(join(this.#directory, name), 'wx');
    this.#encoder = createEncoder(this.#schema, this.#compression);
    this.#offset = 0;
    this.#rows = 0;
    this.#batches = [];
    this.#header = await this.#write(this.#encoder.header);
    return this.#encoder;
  }

  async #flush(): Promise<void> {
    if (this.#pendingRows === 0) return;
    const encoder = this.#encoder ?? (await this.#startShard());
    const bytes = encoder.encode(joinRuns(this.#schema, this.#runs));
    this.#batches.push({ ...(await this.#write(bytes)), rows: this.#pendingRows });
    this.#rows += this.#pendingRows;
    this.#runs = [];
    this.#pendingRows = 0;
    this.#pendingBytes = 0;
    if (this.#rows >= this.#shardRows || this.#offset >= this.#shardBytes) await this.#endShard();
  }

  async #endShard(): Promise<void> {
    const encoder = this.#encoder ?? (await this.#startShard());
    const footer = await this.#write(encoder.finish());
    await this.#file?.sync();
    await this.close();
    this.#shards.push({
      file: `shard-${String(this.#shards.length).padStart(5, '0')}.arrow`,
      rows: this.#rows,
      bytes: this.#offset,
      header: this.#header as Extent,
      batches: this.#batches,
      footer,
    });
    this.#encoder = undefined;
    this.#rows = 0;
  }
}

async function* guarded(
  batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch>,
  signal: AbortSignal | undefined,
): AsyncGenerator<RecordBatch> {
  try {
    signal?.throwIfAborted();
    for await (const batch of batches) {
      yield batch;
      signal?.throwIfAborted();
    }
  } catch (cause) {
    throw new SourceFailure('source', { cause });
  }
}

/**
 * Writes batches as Arrow IPC files with a manifest. The folder is filled under a temporary name, fsynced, and takes
 * its name when complete, replacing an older one; each write is awaited, so a slow disk slows the source.
 * @throws ConfigError when a batch has other columns than `schema`; StateError with the remedy when the disk is full
 * or the folder not writable; whatever the source of the batches throws, as it is. Nothing half-written is left.
 */
export const writeShards = async (
  directory: string,
  schema: Schema,
  batches: AsyncIterable<RecordBatch> | Iterable<RecordBatch>,
  options: WriteOptions = {},
): Promise<Manifest> => {
  schemaFields(schema);
  let manifest: Manifest | undefined;
  try {
    await writeDirectoryAtomic(directory, async (temporary) => {
      const writer = new ShardWriter(temporary, schema, options);
      try {
        for await (const batch of guarded(batches, options.signal)) await writer.add(batch);
        manifest = await writer.finish();
      } finally {
        await writer.close();
      }
    });
  } catch (error) {
    throw error instanceof SourceFailure ? error.cause : error;
  }
  return manifest as Manifest;
};
