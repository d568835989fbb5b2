/** LZ4 frames (the codec that Arrow IPC calls LZ4_FRAME), by lz4-napi. */
import { CompressionType, compressionRegistry } from 'apache-arrow';
import { compressFrameSync, decompressFrame, decompressFrameSync } from 'lz4-napi';

/** How the buffers of a shard are stored. */
export type Compression = 'none' | 'lz4';

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** One LZ4 frame of the bytes. */
export const compressLz4 = (bytes: Uint8Array): Uint8Array => compressFrameSync(asBuffer(bytes));

/** The bytes of one LZ4 frame, decoded off the event loop. */
export const decompressLz4 = (frame: Uint8Array): Promise<Uint8Array> => decompressFrame(asBuffer(frame));

const MAGIC = 0x184d2204;
/** Most bytes that one byte of a compressed block stands for. */
const MAX_EXPANSION = 255;

/**
 * Most bytes that a frame can expand to, from its block sizes alone: what it claims elsewhere may be a lie, and nothing
 * is expanded to find out. Undefined for bytes that are not one whole frame. A frame of full blocks, as encoders write
 * them, exceeds its content by less than `block`.
 */
export const lz4FrameBound = (
  frame: Uint8Array,
): { readonly bytes: number; readonly block: number } | undefined => {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 7 || view.getUint32(0, true) !== MAGIC) return undefined;
  const flags = view.getUint8(4);
  const code = (view.getUint8(5) >> 4) & 7;
  if (flags >> 6 !== 1 || code < 4) return undefined;
  const block = 2 ** (8 + 2 * code);
  const checksum = flags & 16 ? 4 : 0;
  let at = 7 + (flags & 8 ? 8 : 0) + (flags & 1 ? 4 : 0);
  let bytes = 0;
  for (;;) {
    if (at + 4 > frame.length) return undefined;
    const field = view.getUint32(at, true);
    at += 4;
    if (field === 0) break;
    const stored = field & 0x7fffffff;
    bytes += Math.min(block, field > 0x7fffffff ? stored : stored * MAX_EXPANSION);
    at += stored + checksum;
  }
  return at + (flags & 4 ? 4 : 0) === frame.length ? { bytes, block } : undefined;
};

/** Lets plain apache-arrow in this process read compressed shards (`tableFromIPC`); Polygate's reader needs no call. */
export const registerLz4Codec = (): void => {
  compressionRegistry.set(CompressionType.LZ4_FRAME, {
    encode: compressLz4,
    decode: (frame) => decompressFrameSync(asBuffer(frame)),
  });
};
