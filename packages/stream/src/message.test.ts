import { describe, expect, it } from 'vitest';
import { buildBatch } from './build.ts';
import { nestedListRow, textRow } from './columns.ts';
import { createDecoder } from './decode.ts';
import { createEncoder } from './encode.ts';
import { MAX_MESSAGE_BYTES, readBatchMessage } from './message.ts';
import { defineSchema } from './schema.ts';

// id: node 1, buffers validity, offsets, bytes. captions: 3 nodes; validity, offsets; validity, offsets; validity, values.
const schema = defineSchema({ id: 'utf8', captions: { list: { list: 'int32' } } });
const expected = { rows: 2, nodes: 4, buffers: 9 };
const batch = buildBatch(schema, { id: ['ab', 'c'], captions: [[[1, 2], []], [[3]]] });
const good = createEncoder(schema, 'none').encode(batch);
const bodyStart = 8 + new DataView(good.buffer).getInt32(4, true);

/** A copy of the good message with one word replaced. */
const forged = (at: number, value: number): Uint8Array => {
  const bytes = good.slice();
  new DataView(bytes.buffer).setInt32(at, value, true);
  return bytes;
};

describe('record-batch messages', () => {
  it('say where each buffer lies: hand golden', () => {
    // Body, each buffer padded to 8: offsets of id (3 x 4 -> 16), its 3 bytes (-> 8), offsets of captions (0 2 3 -> 16),
    // inner offsets (0 2 2 3 -> 16), values (1 2 3 -> 16). Validity buffers are empty.
    const message = readBatchMessage(good, expected);
    expect(message.rows).toBe(2);
    expect(message.nodes).toEqual([2, 2, 3, 3]);
    expect(message.buffers).toEqual(
      [
        [0, 0],
        [0, 16],
        [16, 8],
        [24, 0],
        [24, 16],
        [40, 0],
        [40, 16],
        [56, 0],
        [56, 16],
      ].map(([offset, length]) => ({ offset, length })),
    );
    expect(good.length).toBe(bodyStart + 72);
  });

  it('are refused with counts that the schema does not have, however large', () => {
    const words = new Int32Array(good.buffer, 0, bodyStart / 4);
    // The only words of the metadata that equal 4 and 9 followed by that many 16-byte structs are the vector counts.
    const at = (count: number): number =>
      4 * words.findIndex((word, i) => word === count && i * 4 + 4 + count * 16 <= bodyStart && i > 8);
    const texts = [at(4), at(9)].map((position) => {
      try {
        readBatchMessage(forged(position, 0x7fffffff), expected);
      } catch (error) {
        return (error as Error).message;
      }
      return 'read';
    });
    expect(texts).toContain('2147483647 buffers where the schema has 9');
    expect(() => readBatchMessage(good, { ...expected, nodes: 5 })).toThrow(
      '4 columns where the schema has 5',
    );
    expect(() => readBatchMessage(good, { ...expected, rows: 3 })).toThrow(
      '2 rows where the manifest says 3',
    );
  });

  it('are refused with buffers that reach past the body or lie askew', () => {
    // The span of the last buffer, offset 56 and length 16, as two little-endian 64-bit words.
    const words = new Int32Array(good.buffer, 0, bodyStart / 4);
    const at = 4 * words.findIndex((_, i) => [56, 0, 16, 0].every((word, k) => words[i + k] === word));
    expect(() => readBatchMessage(forged(at + 8, 24), expected)).toThrow(
      'a buffer of 24 bytes at 56 in a body of 72',
    );
    expect(() => readBatchMessage(forged(at, 52), expected)).toThrow(
      'a buffer of 16 bytes at 52 in a body of 72',
    );
    expect(() => readBatchMessage(forged(at + 12, -1), expected)).toThrow('a length of -4294967280');
  });

  it('are refused with lengths that their bytes do not have', () => {
    expect(() => readBatchMessage(forged(0, 0), expected)).toThrow('no message mark');
    for (const length of [-8, 0, 4, MAX_MESSAGE_BYTES + 8]) {
      expect(() => readBatchMessage(forged(4, length), expected)).toThrow(
        `a metadata length of ${length} (limit 1048576)`,
      );
    }
    expect(() => readBatchMessage(forged(4, good.length), expected)).toThrow(
      'a position outside the message',
    );
    expect(() => readBatchMessage(good.subarray(0, good.length - 8), expected)).toThrow(
      'a body of 72 bytes where 64 are there',
    );
    expect(() => readBatchMessage(good.subarray(0, 6), expected)).toThrow('a position outside the message');
  });
});

describe('decoder', () => {
  const decode = createDecoder(schema);

  it('reads what was written without copying it', async () => {
    const read = await decode(good, 2);
    expect([textRow(read, 'id', 0), textRow(read, 'id', 1)]).toEqual(['ab', 'c']);
    expect(nestedListRow(read, 'captions', 0).map((list) => [...list])).toEqual([[1, 2], []]);
    expect(nestedListRow(read, 'captions', 1)[0]?.buffer).toBe(good.buffer);
  });

  it.each([
    ['start above 0', 0, 1],
    ['fall', 4, -1],
    ['fall at the end', 8, 1],
  ])('refuses offsets that %s', async (_, at, value) => {
    await expect(decode(forged(bodyStart + at, value), 2)).rejects.toThrow('offsets that do not rise from 0');
  });

  it('refuses offsets past the bytes and past the child column', async () => {
    await expect(decode(forged(bodyStart + 8, 1000), 2)).rejects.toThrow(
      'a buffer of 8 bytes where 1000 are needed',
    );
    await expect(decode(forged(bodyStart + 32, 9), 2)).rejects.toThrow('a column of 3 rows where 9 belong');
  });
});
