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

/** Lets plain apache-arrow in this process read compressed shards (`tableFromIPC`); Polygate's reader needs no call. */
export const registerLz4Codec = (): void => {
  compressionRegistry.set(CompressionType.LZ4_FRAME, {
    encode: compressLz4,
    decode: (frame) => decompressFrameSync(asBuffer(frame)),
  });
};
