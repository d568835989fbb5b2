import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteGate } from '@polygate/core';
import { buildBatch } from './build.ts';
import { createDecoder } from './decode.ts';
import { createEncoder, LENGTH_PREFIX } from './encode.ts';
import { compressLz4, decodeLz4Frame, decompressLz4, lz4FrameBound } from './lz4.ts';
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

describe('decodeLz4Frame', () => {
  /** Runs, repeats at any distance, and noise: what makes every kind of sequence. */
  const pieces = fc.array(
    fc.record({
      kind: fc.constantFrom('run', 'repeat', 'noise'),
      length: fc.oneof(fc.nat(40), fc.nat(3000)),
      salt: fc.nat(255),
    }),
    { maxLength: 12 },
  );
  const plainOf = (parts: readonly { kind: string; length: number; salt: number }[]): Uint8Array => {
    const out: number[] = [];
    for (const { kind, length, salt } of parts) {
      const start = out.length;
      for (let i = 0; i < length; i += 1) {
        const back = start > 0 ? (out[start - 1 - (salt % start) + (i % (1 + (salt % start)))] ?? 0) : 0;
        out.push(kind === 'run' ? salt : kind === 'repeat' ? back : (Math.imul(i + salt, 40503) >>> 7) & 255);
      }
    }
    return Uint8Array.from(out);
  };

  it('gives back what the native encoder compressed', async () => {
    await fc.assert(
      fc.asyncProperty(pieces, async (parts) => {
        const plain = plainOf(parts);
        expect(await decodeLz4Frame(compressLz4(plain), plain.length)).toEqual(plain);
      }),
      { seed: 3, numRuns: 200 },
    );
    for (const plain of [new Uint8Array(9_000_000).map((_, i) => (i >> 3) & 255), noise(2_000_000)])
      expect(
        Buffer.compare((await decompressLz4(compressLz4(plain), plain.length)) ?? plain.subarray(1), plain),
      ).toBe(0);
  });

  it('decodes a block worked out by hand: five letters, six again from four back', async () => {
    // Token 0x52: five literals, a match of 2 + 4; distance 4, little-endian. The last sequence: one literal.
    const block = Uint8Array.of(0x52, ...Buffer.from('abcde'), 4, 0, 0x10, ...Buffer.from('!'));
    const head = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, block.length, 0, 0, 0];
    const frame = Uint8Array.from([...head, ...block, 0, 0, 0, 0]);
    const plain = await decodeLz4Frame(frame, 12);
    expect(Buffer.from(plain ?? []).toString()).toBe('abcdebcdebc!');
    expect(await decodeLz4Frame(frame, 11)).toBeUndefined();
    expect(await decodeLz4Frame(frame, 13)).toBeUndefined();
  });

  it('never writes past its size, whatever the bytes say', async () => {
    const plain = plainOf([
      { kind: 'noise', length: 300, salt: 1 },
      { kind: 'repeat', length: 400, salt: 90 },
      { kind: 'run', length: 900, salt: 7 },
    ]);
    const frame = compressLz4(plain);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(frame.length - 1), fc.nat(255)), { maxLength: 6 }),
        async (edits) => {
          const damaged = Uint8Array.from(frame);
          for (const [at, value] of edits) damaged[at] = value;
          const decoded = await decodeLz4Frame(damaged, plain.length);
          expect(decoded === undefined || decoded.length === plain.length).toBe(true);
        },
      ),
      { seed: 4, numRuns: 300 },
    );
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
    expanded = (await decompressLz4(frame, 50_000_000))?.length ?? 0;
    expect(expanded).toBe(50_000_000);
    await expect(decoderOf(2 ** 28)(bytes.slice(), 1)).rejects.toThrow(
      /an LZ4 frame of up to \d+ bytes where 8 are claimed/u,
    );
  });
});
