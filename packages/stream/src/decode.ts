/**
 * From the bytes of one record-batch message to a record batch, zero-copy where the buffers are stored plainly.
 * Lengths and offsets are checked against the schema, the manifest's row count and each other before they are used.
 */
import type { Data, RecordBatch, Schema } from 'apache-arrow';
import { ByteGate, defaultBudgets, overBudget } from '@polygate/core';
import { assembleBatch, makeColumn } from './arrow-data.ts';
import { LENGTH_PREFIX, STORED } from './encode.ts';
import { arrayOf, type FieldKind, isPrimitive, type NumericArray } from './kinds.ts';
import { decompressLz4, lz4FrameBound } from './lz4.ts';
import { MessageFault } from './flatbuffer.ts';
import { type BatchMessage, readBatchMessage } from './message.ts';
import { schemaFields } from './schema.ts';

interface Counts {
  readonly nodes: number;
  readonly buffers: number;
}

/** Columns (children included) and buffers that Arrow lays down for a kind. */
const countsOf = (kind: FieldKind): Counts => {
  if (isPrimitive(kind)) return { nodes: 1, buffers: 2 };
  if (kind === 'utf8' || kind === 'binary') return { nodes: 1, buffers: 3 };
  const child = countsOf('list' in kind ? kind.list : kind.fixedList);
  return { nodes: 1 + child.nodes, buffers: ('list' in kind ? 2 : 1) + child.buffers };
};

const aligned = (bytes: Uint8Array): Uint8Array => (bytes.byteOffset % 8 === 0 ? bytes : bytes.slice());

/** Bytes that a compressed buffer says it holds, and its frame; no frame where it is stored as it is. */
interface Packed {
  readonly bytes: number;
  readonly frame?: Uint8Array;
  readonly plain?: Uint8Array;
  /** First byte in the message. */
  readonly at: number;
}

const packedOf = (
  region: Uint8Array,
  at: number,
  budget: number,
  name: 'batchBytes' | 'groupBytes' = 'batchBytes',
): Packed => {
  if (region.length === 0) return { bytes: 0, plain: region, at };
  if (region.length < LENGTH_PREFIX)
    throw new MessageFault(`a compressed buffer of ${region.length} bytes`, at);
  const claimed = new DataView(region.buffer, region.byteOffset, LENGTH_PREFIX).getBigInt64(0, true);
  const stored = region.subarray(LENGTH_PREFIX);
  if (claimed === STORED) return { bytes: 0, plain: aligned(stored), at };
  if (claimed < 0n || claimed > BigInt(budget)) {
    throw new MessageFault(
      `a buffer that claims ${claimed} bytes: ${overBudget(name, budget, String(claimed))}`,
      at,
    );
  }
  const bytes = Number(claimed);
  const bound = lz4FrameBound(stored);
  if (bound === undefined) throw new MessageFault('an LZ4 frame that does not decode (not one frame)', at);
  if (bound.bytes < bytes || bound.bytes > bytes + bound.block) {
    throw new MessageFault(`an LZ4 frame of up to ${bound.bytes} bytes where ${bytes} are claimed`, at);
  }
  return { bytes, frame: stored, at };
};

const expand = async ({ frame, plain, bytes, at }: Packed): Promise<Uint8Array> => {
  if (frame === undefined) return plain ?? new Uint8Array(0);
  const expanded = await decompressLz4(frame, bytes);
  if (expanded === undefined)
    throw new MessageFault(`an LZ4 frame that does not decode to the ${bytes} bytes that are claimed`, at);
  return aligned(new Uint8Array(expanded.buffer, expanded.byteOffset, expanded.byteLength));
};

/** A buffer of others that LZ4 compressed, of `budget` bytes (groupBytes) at most. @throws MessageFault */
export const expandBuffer = (region: Uint8Array, at: number, budget: number): Promise<Uint8Array> =>
  expand(packedOf(region, at, budget, 'groupBytes'));

/** Bounds on what is decompressed. */
export interface DecodeBounds {
  /** Bytes of one batch. */
  readonly batchBytes: number;
  /** Shared by all that decompress at once. */
  readonly gate: ByteGate;
}

const defaultBounds = (): DecodeBounds => {
  const { batchBytes } = defaultBudgets;
  return { batchBytes, gate: new ByteGate(batchBytes) };
};

const bodyBuffers = async (
  bytes: Uint8Array,
  message: BatchMessage,
  { batchBytes, gate }: DecodeBounds,
): Promise<Uint8Array[]> => {
  const regions = message.buffers.map(({ offset, length }) =>
    bytes.subarray(message.bodyStart + offset, message.bodyStart + offset + length),
  );
  if (message.compression === 'none') return regions;
  let total = 0;
  const packed = regions.map((region, i) => {
    const next = packedOf(region, message.bodyStart + (message.buffers[i]?.offset ?? 0), batchBytes - total);
    total += next.bytes;
    return next;
  });
  return gate.run(total, async () => {
    const buffers: Uint8Array[] = [];
    for (const each of packed) buffers.push(await expand(each));
    return buffers;
  });
};

/** Walks columns depth first over nodes and buffers, as the message lists them. */
class ColumnLoader {
  readonly #message: BatchMessage;
  readonly #buffers: readonly Uint8Array[];
  #node = 0;
  #buffer = 0;

  constructor(message: BatchMessage, buffers: readonly Uint8Array[]) {
    this.#message = message;
    this.#buffers = buffers;
  }

  load(kind: FieldKind, rows: number): Data {
    const length = this.#message.nodes[this.#node] ?? -1;
    if (length !== rows)
      throw new MessageFault(`a column of ${length} rows where ${rows} belong`, this.#message.bodyStart);
    this.#node += 1;
    this.#take(0); // validity: absent, as the columns have no nulls
    if (isPrimitive(kind)) return makeColumn(kind, { length, data: this.#numbers(kind, length) });
    if (kind === 'utf8' || kind === 'binary') {
      const valueOffsets = this.#offsets(length);
      const bytes = valueOffsets[length] ?? 0;
      return makeColumn(kind, { length, valueOffsets, data: this.#take(bytes).subarray(0, bytes) });
    }
    if ('list' in kind) {
      const valueOffsets = this.#offsets(length);
      return makeColumn(kind, {
        length,
        valueOffsets,
        child: this.load(kind.list, valueOffsets[length] ?? 0),
      });
    }
    return makeColumn(kind, { length, child: this.load(kind.fixedList, length * kind.size) });
  }

  #take(bytes: number): Uint8Array {
    const buffer = this.#buffers[this.#buffer] ?? new Uint8Array(0);
    if (buffer.length < bytes) {
      const at = this.#message.bodyStart + (this.#message.buffers[this.#buffer]?.offset ?? 0);
      throw new MessageFault(`a buffer of ${buffer.length} bytes where ${bytes} are needed`, at);
    }
    this.#buffer += 1;
    return buffer;
  }

  #numbers(kind: Parameters<typeof arrayOf>[0], length: number): NumericArray {
    const ArrayType = arrayOf(kind);
    const buffer = this.#take(length * ArrayType.BYTES_PER_ELEMENT);
    return length === 0 ? new ArrayType(0) : new ArrayType(buffer.buffer, buffer.byteOffset, length);
  }

  #offsets(length: number): Int32Array {
    if (length === 0) {
      this.#take(0);
      return new Int32Array(1);
    }
    const offsets = this.#numbers('int32', length + 1) as Int32Array;
    let previous = offsets[0] ?? -1;
    let rising = previous === 0;
    for (let i = 1; i <= length; i += 1) {
      const offset = offsets[i] ?? -1;
      rising &&= offset >= previous;
      previous = offset;
    }
    if (!rising) throw new MessageFault('offsets that do not rise from 0', this.#message.bodyStart);
    return offsets;
  }
}

/** Decodes batches of one schema. */
export type BatchDecoder = (bytes: Uint8Array, rows: number) => Promise<RecordBatch>;

/**
 * A decoder of record-batch messages of a schema. `bytes` must be 8-byte aligned and hold one message with its body;
 * the batch borrows them. @throws MessageFault from the decoder
 */
export const createDecoder = (schema: Schema, bounds = defaultBounds()): BatchDecoder => {
  const kinds = Object.values(schemaFields(schema));
  const counts = kinds.map(countsOf);
  const nodes = counts.reduce((sum, count) => sum + count.nodes, 0);
  const buffers = counts.reduce((sum, count) => sum + count.buffers, 0);
  return async (bytes, rows) => {
    const message = readBatchMessage(bytes, { rows, nodes, buffers });
    const loader = new ColumnLoader(message, await bodyBuffers(bytes, message, bounds));
    return assembleBatch(
      schema,
      kinds.map((kind) => loader.load(kind, rows)),
      rows,
    );
  };
};
