/**
 * Arrow IPC file bytes of one shard, batch by batch, under the caller's control.
 *
 * apache-arrow's own writer is left only the layout. What it writes is taken here synchronously instead of through its
 * queue (which has no backpressure), and three of its habits are put right: the file gets the schema message that the
 * IPC format asks for before the first batch; a compressed buffer is prefixed by its uncompressed length as the format
 * says (21.2 writes the compressed one, which other readers refuse); a batch of another schema is refused by the
 * shard writer before it comes here (21.2 would silently close the file).
 */
import {
  CompressionType,
  type RecordBatch,
  RecordBatchFileWriter,
  RecordBatchWriter,
  type Schema,
} from 'apache-arrow';
import { assembleBatch } from './arrow-data.ts';
import { type Compression, compressLz4 } from './lz4.ts';

/** Bytes of the length that stands before each compressed buffer. */
export const LENGTH_PREFIX = 8;
/** Value of that length for a buffer stored as it is. */
export const STORED = -1n;

const pad8 = (length: number): number => (length + 7) & ~7;

const writeSchemaMessage = (
  RecordBatchWriter.prototype as unknown as { _writeSchema(schema: Schema): unknown }
)._writeSchema;

class FileEncoder extends RecordBatchFileWriter {
  #pieces: Uint8Array[] = [];

  protected override _write(chunk: Parameters<RecordBatchFileWriter['_write']>[0]): this {
    if (!this._started || !ArrayBuffer.isView(chunk) || chunk.byteLength === 0) return this;
    this.#pieces.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this._position += chunk.byteLength;
    return this;
  }

  protected override _writeSchema(schema: Schema): this {
    super._writeSchema(schema);
    writeSchemaMessage.call(this, schema);
    return this;
  }

  protected override _compressBodyBuffers(
    buffers: ArrayBufferView[],
  ): ReturnType<RecordBatchFileWriter['_assembleRecordBatch']> {
    const pieces: Uint8Array[] = [];
    const bufferRegions: { offset: number; length: number }[] = [];
    let offset = 0;
    for (const view of buffers) {
      const plain = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
      if (plain.length === 0) {
        pieces.push(plain, plain);
        bufferRegions.push({ offset, length: 0 });
        continue;
      }
      const frame = compressLz4(plain);
      const smaller = frame.length < plain.length;
      const prefix = new DataView(new ArrayBuffer(LENGTH_PREFIX));
      prefix.setBigInt64(0, smaller ? BigInt(plain.length) : STORED, true);
      const stored = smaller ? frame : plain;
      pieces.push(new Uint8Array(prefix.buffer), stored);
      bufferRegions.push({ offset, length: LENGTH_PREFIX + stored.length });
      offset = pad8(offset + LENGTH_PREFIX + stored.length);
    }
    return { byteLength: offset, bufferRegions, buffers: pieces, nodes: [], variadicBufferCounts: [] };
  }

  /** All bytes written since the last call, in one buffer of their own. */
  take(): Uint8Array {
    let total = 0;
    for (const piece of this.#pieces) total += piece.length;
    const bytes = new Uint8Array(total);
    let at = 0;
    for (const piece of this.#pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    this.#pieces = [];
    return bytes;
  }
}

/** Produces the bytes of one Arrow IPC file. */
export interface Encoder {
  /** Magic, padding and schema message. */
  readonly header: Uint8Array;
  /** The message and body of one batch, a multiple of 8 bytes. The batch must have the encoder's columns. */
  encode(batch: RecordBatch): Uint8Array;
  /** End-of-stream mark, footer and magic. */
  finish(): Uint8Array;
}

/** An encoder of one file. */
export const createEncoder = (schema: Schema, compression: Compression): Encoder => {
  const writer = new FileEncoder({
    compressionType: compression === 'lz4' ? CompressionType.LZ4_FRAME : null,
  });
  writer.reset(undefined, schema);
  const header = writer.take();
  return {
    header,
    encode(batch) {
      writer.write(
        batch.schema === schema ? batch : assembleBatch(schema, batch.data.children, batch.numRows),
      );
      return writer.take();
    },
    finish() {
      writer.finish();
      return writer.take();
    },
  };
};
