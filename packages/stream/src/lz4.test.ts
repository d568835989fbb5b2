import { describe, expect, it } from 'vitest';
import { ByteGate } from '@polygate/core';
import { buildBatch } from './build.ts';
import { createDecoder } from './decode.ts';
import { createEncoder, LENGTH_PREFIX } from './encode.ts';
import { compressLz4, decompressLz4, lz4FrameBound } from './lz4.ts';
import { readBatchMessage } from './message.ts';
import { defineSchema } from './schema.ts';

const noise = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (Math.imul(i, 2654435761) >>> 13) & 255);

describe('lz4FrameBound', () => {
  it.each([
    ['nothing', new Uint8Array(0)],
    ['one byte', Uint8Array.of(1)],
    ['zeros', new Uint8Array(3_000_000)],
    ['a block and a byte', new Uint8Array(2 ** 22 + 1)],
    ['noise', noise(300_000)],
  ])('holds for a frame of %s and is close', (_, plain) => {
    const bound = lz4FrameBound(compressLz4(plain));
    expect(bound?.bytes).toBeGreaterThanOrEqual(plain.length);
    expect(bound?.bytes).toBeLessThanOrEqual(plain.length + (bound?.block ?? 0));
  });

  it('is undefined for what is not one whole frame', () => {
    const frame = compressLz4(noise(1000));
    expect(lz4FrameBound(frame.subarray(0, frame.length - 1))).toBeUndefined();
    expect(lz4FrameBound(Uint8Array.from([...frame, 0]))).toBeUndefined();
    expect(lz4FrameBound(Uint8Array.from([...frame, ...frame]))).toBeUndefined();
    expect(lz4FrameBound(new Uint8Array(20))).toBeUndefined();
  });
});

describe('decoding compressed batches', () => {
  const schema = defineSchema({ x: { list: 'uint8' } });
  const encoded = (bytes: number): Uint8Array =>
    createEncoder(schema, 'lz4').encode(buildBatch(schema, { x: [new Uint8Array(bytes)] }));
  const decoderOf = (batchBytes: number) =>
    createDecoder(schema, { batchBytes, gate: new ByteGate(batchBytes) });

  it('reads what fits the budget and names the budget where it does not', async () => {
    const bytes = encoded(100_000);
    await expect(decoderOf(200_000)(bytes.slice(), 1)).resolves.toHaveProperty('numRows', 1);
    await expect(decoderOf(90_000)(bytes.slice(), 1)).rejects.toThrow(
      'a buffer that claims 100000 bytes: expected at most 90000 bytes (budget batchBytes)',
    );
  });

  it('refuses a frame that would expand to more than it claims, without expanding it', async () => {
    const bytes = encoded(50_000_000);
    const message = readBatchMessage(bytes, { rows: 1, nodes: 2, buffers: 4 });
    const last = message.buffers[3];
    if (!last) throw new Error('expected a buffer of values');
    const at = message.bodyStart + last.offset;
    new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(at, 8n, true);
    let expanded = 0;
    const frame = bytes.subarray(at + LENGTH_PREFIX, at + last.length);
    expanded = (await decompressLz4(frame)).length;
    expect(expanded).toBe(50_000_000);
    await expect(decoderOf(2 ** 28)(bytes.slice(), 1)).rejects.toThrow(
      /an LZ4 frame of up to \d+ bytes where 8 are claimed/u,
    );
  });
});
