/** LZ4 frames (the codec that Arrow IPC calls LZ4_FRAME): by lz4-napi, and large ones within memory of our own. */
import { CompressionType, compressionRegistry } from 'apache-arrow';
import { compressFrameSync, decompressFrame, decompressFrameSync } from 'lz4-napi';
import { decodeLz4Block, type Lz4Output } from './lz4-blocks.ts';
import { turn } from './ordered.ts';

/** How the buffers of a shard are stored. */
export type Compression = 'none' | 'lz4';

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** One LZ4 frame of the bytes. */
export const compressLz4 = (bytes: Uint8Array): Uint8Array => compressFrameSync(asBuffer(bytes));

const MAGIC = 0x184d2204;
/** Most bytes that one byte of a compressed block stands for. */
const MAX_EXPANSION = 255;
/** The bit that marks a block that is stored as it is. */
const STORED_BLOCK = 0x80000000;
/** Content from here on is decoded here: see lz4-blocks.ts for what the native decoder does to memory. */
const LARGE_BYTES = 2 ** 20;
/** Bytes that are decoded before the event loop gets a turn: some milliseconds. */
const TURN_BYTES = 2 ** 22;

/** Layout of one whole frame. */
interface Lz4Frame {
  /** Largest block, in bytes of content. */
  readonly block: number;
  readonly blocks: readonly { readonly start: number; readonly stored: number; readonly plain: boolean }[];
}

/** Undefined for bytes that are not one whole frame. Nothing is expanded to find out. */
const readFrame = (frame: Uint8Array): Lz4Frame | undefined => {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 7 || view.getUint32(0, true) !== MAGIC) return undefined;
  const flags = view.getUint8(4);
  const code = (view.getUint8(5) >> 4) & 7;
  if (flags >> 6 !== 1 || code < 4) return undefined;
  const checksum = flags & 16 ? 4 : 0;
  const blocks: Lz4Frame['blocks'][number][] = [];
  let at = 7 + (flags & 8 ? 8 : 0) + (flags & 1 ? 4 : 0);
  for (;;) {
    if (at + 4 > frame.length) return undefined;
    const field = view.getUint32(at, true);
    at += 4;
    if (field === 0) break;
    const stored = field & (STORED_BLOCK - 1);
    blocks.push({ start: at, stored, plain: field >= STORED_BLOCK });
    at += stored + checksum;
  }
  return at + (flags & 4 ? 4 : 0) === frame.length ? { block: 2 ** (8 + 2 * code), blocks } : undefined;
};

/**
 * Most bytes that a frame can expand to, from its block sizes alone: what it claims elsewhere may be a lie, and nothing
 * is expanded to find out. Undefined for bytes that are not one whole frame. A frame of full blocks, as encoders write
 * them, exceeds its content by less than `block`.
 */
export const lz4FrameBound = (
  frame: Uint8Array,
): { readonly bytes: number; readonly block: number } | undefined => {
  const layout = readFrame(frame);
  if (!layout) return undefined;
  const { block, blocks } = layout;
  const bytes = blocks.reduce(
    (sum, { stored, plain }) => sum + Math.min(block, plain ? stored : stored * MAX_EXPANSION),
    0,
  );
  return { bytes, block };
};

/** Decodes a frame into memory of exactly `size` bytes; the event loop is served in between. */
export const decodeLz4Frame = async (frame: Uint8Array, size: number): Promise<Uint8Array | undefined> => {
  const layout = readFrame(frame);
  if (!layout) return undefined;
  const output: Lz4Output = { bytes: new Uint8Array(size), end: 0 };
  let next = TURN_BYTES;
  for (const { start, stored, plain } of layout.blocks) {
    const content = frame.subarray(start, start + stored);
    if (plain) {
      if (output.end + stored > size) return undefined;
      output.bytes.set(content, output.end);
      output.end += stored;
    } else if (!decodeLz4Block(content, output)) return undefined;
    if (output.end < next) continue;
    next = output.end + TURN_BYTES;
    await turn();
  }
  return output.end === size ? output.bytes : undefined;
};

/**
 * The bytes of one LZ4 frame whose bound is no more than a block above `size`. Checksums of large frames are not looked
 * at: shards have their own, which come first.
 * @returns undefined where the frame is damaged or holds another number of bytes
 */
export const decompressLz4 = async (frame: Uint8Array, size: number): Promise<Uint8Array | undefined> => {
  if (size >= LARGE_BYTES) return decodeLz4Frame(frame, size);
  const expanded = await decompressFrame(asBuffer(frame)).catch(() => undefined);
  return expanded?.length === size ? expanded : undefined;
};

/** Lets plain apache-arrow in this process read compressed shards (`tableFromIPC`); Polygate's reader needs no call. */
export const registerLz4Codec = (): void => {
  compressionRegistry.set(CompressionType.LZ4_FRAME, {
    encode: compressLz4,
    decode: (frame) => decompressFrameSync(asBuffer(frame)),
  });
};
