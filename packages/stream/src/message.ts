/**
 * Bounded reader of Arrow's encapsulated record-batch message (a flatbuffer): lengths, nodes, buffers, compression.
 * Source: Arrow columnar format, "Encapsulated message format", and Message.fbs. Every position is read through a
 * DataView, which refuses positions outside the bytes; counts are compared with what the schema demands before any
 * loop runs; so no content, however damaged, makes it run long or allocate more than the message's own size.
 */
import { flatbuffer, MessageFault, STRUCT_BYTES } from './flatbuffer.ts';
import type { Compression } from './lz4.ts';

/** Place and length of one buffer in the body, in bytes. */
interface BufferSpan {
  readonly offset: number;
  readonly length: number;
}

/** What a record-batch message says. */
export interface BatchMessage {
  /** First byte of the body, counted from the start of the message. */
  readonly bodyStart: number;
  readonly rows: number;
  /** Length of each column and child column, depth first. */
  readonly nodes: readonly number[];
  readonly buffers: readonly BufferSpan[];
  readonly compression: Compression;
}

/** Largest metadata block of a message: about 24 bytes per buffer are needed, 1,024 columns of 4 nested lists fit. */
export const MAX_MESSAGE_BYTES = 1 << 20;

const CONTINUATION = 0xffffffff;
const RECORD_BATCH = 3;
const PREFIX_BYTES = 8;

const readCompression = (fb: ReturnType<typeof flatbuffer>, batch: number): Compression => {
  const at = fb.field(batch, 3);
  if (at === 0) return 'none';
  const table = fb.pointer(at);
  const codecAt = fb.field(table, 0);
  const codec = codecAt === 0 ? 0 : fb.view.getInt8(codecAt);
  if (codec !== 0)
    throw new MessageFault(`compression codec ${codec} where only LZ4 frames (0) are read`, codecAt);
  return 'lz4';
};

/**
 * Reads the message at the start of `bytes`, which must hold exactly one message and its body.
 * @throws MessageFault
 */
export const readBatchMessage = (
  bytes: Uint8Array,
  expected: { readonly rows: number; readonly nodes: number; readonly buffers: number },
): BatchMessage => {
  try {
    const whole = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (whole.getUint32(0, true) !== CONTINUATION) throw new MessageFault('no message mark', 0);
    const metadataBytes = whole.getInt32(4, true);
    if (metadataBytes <= 0 || metadataBytes > MAX_MESSAGE_BYTES || metadataBytes % 8 !== 0) {
      throw new MessageFault(`a metadata length of ${metadataBytes} (limit ${MAX_MESSAGE_BYTES})`, 4);
    }
    const bodyStart = PREFIX_BYTES + metadataBytes;
    const fb = flatbuffer(new DataView(bytes.buffer, bytes.byteOffset, bodyStart));
    const message = fb.pointer(PREFIX_BYTES);
    const typeAt = fb.field(message, 1);
    const type = typeAt === 0 ? 0 : fb.view.getUint8(typeAt);
    if (type !== RECORD_BATCH)
      throw new MessageFault(`message type ${type} where a record batch (3) belongs`, typeAt);
    const bodyAt = fb.field(message, 3);
    const bodyBytes = bodyAt === 0 ? 0 : fb.integer(bodyAt);
    if (bodyStart + bodyBytes !== bytes.length) {
      throw new MessageFault(
        `a body of ${bodyBytes} bytes where ${bytes.length - bodyStart} are there`,
        bodyAt,
      );
    }
    const batch = fb.pointer(fb.field(message, 2));
    const rowsAt = fb.field(batch, 0);
    const rows = rowsAt === 0 ? 0 : fb.integer(rowsAt);
    if (rows !== expected.rows)
      throw new MessageFault(`${rows} rows where the manifest says ${expected.rows}`, rowsAt);
    const nodesAt = fb.structs(batch, 1, expected.nodes, 'columns');
    const nodes = Array.from({ length: expected.nodes }, (_, i) => {
      const at = nodesAt + i * STRUCT_BYTES;
      if (fb.integer(at + 8) !== 0) throw new MessageFault('null values in a column without nulls', at + 8);
      return fb.integer(at);
    });
    const buffersAt = fb.structs(batch, 2, expected.buffers, 'buffers');
    const buffers = Array.from({ length: expected.buffers }, (_, i) => {
      const at = buffersAt + i * STRUCT_BYTES;
      const offset = fb.integer(at);
      const length = fb.integer(at + 8);
      if (offset % 8 !== 0 || offset + length > bodyBytes) {
        throw new MessageFault(`a buffer of ${length} bytes at ${offset} in a body of ${bodyBytes}`, at);
      }
      return { offset, length };
    });
    return { bodyStart, rows, nodes, buffers, compression: readCompression(fb, batch) };
  } catch (cause) {
    if (cause instanceof RangeError) throw new MessageFault('a position outside the message', 0);
    throw cause;
  }
};
