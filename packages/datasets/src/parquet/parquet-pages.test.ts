import { describe, expect, it } from 'vitest';
import { checkChunk, type ChunkRules } from './parquet-pages.ts';

/** A number of Thrift's compact protocol: zigzag, then seven bits a byte. */
const varint = (value: number): number[] => {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return [...bytes, rest];
};
const int = (value: number): number[] => [0x15, ...varint(value * 2)];

const PLAIN = 0;
const RLE_DICTIONARY = 8;

/** A data page of the first version: type 0, sizes, and in field 5 its values, their encoding and that of levels (RLE, 3). */
const page = (values: number, encoding: number, body: readonly number[], size = body.length): number[] => [
  ...int(0),
  ...int(size),
  ...int(body.length),
  ...[0x2c, ...int(values), ...int(encoding), ...int(3), ...int(3), 0, 0],
  ...body,
];

const rules = (more: Partial<ChunkRules['leaf']> = {}, values = 10): ChunkRules => ({
  leaf: { definitions: 0, repetitions: 0, fixedLength: 0, boolean: false, ...more },
  budget: 1000,
  values,
});
const check = (bytes: readonly number[], chunk = rules()): void => {
  checkChunk(Uint8Array.from(bytes), chunk, undefined);
};

describe('pages of a Parquet column', () => {
  it('are taken where their runs hold as many values as they claim', () => {
    // Indices of one bit: a run of 10 times 1 (10 << 1 = 20), or two packed eights ((2 << 1) | 1 = 5), filled up.
    check(page(10, RLE_DICTIONARY, [1, 20, 1]));
    check(page(10, RLE_DICTIONARY, [1, 5, 0b10101010, 0b11]));
  });

  it('are refused where a run of a few bytes claims a billion values', () => {
    expect(() => check(page(10, RLE_DICTIONARY, [1, ...varint(2 ** 30), 1]))).toThrow(
      'a run of 536870912 values where 10 are left',
    );
    expect(() => check(page(10, RLE_DICTIONARY, [1, 0, 1]))).toThrow('a run of 0 values where 10 are left');
    expect(() => check(page(10, RLE_DICTIONARY, [60, 20, 1]))).toThrow('indices of 60 bits');
  });

  it('are refused where they claim more values or bytes than the chunk has', () => {
    expect(() => check(page(11, RLE_DICTIONARY, [1, 22, 1]))).toThrow('11 values where the footer says 10');
    expect(() => check(page(10, PLAIN, [1, 2, 3], 5000))).toThrow(
      'expected at most 1000 bytes (budget groupBytes), got 5000',
    );
    expect(() => check(page(10, PLAIN, [1, 2, 3]).slice(0, -1))).toThrow(
      'a page of 3 bytes beyond the end of its chunk',
    );
    expect(() => check(page(10, 99, [1, 2, 3]))).toThrow('the encoding without a name, which is not read');
  });

  it('count the values by the levels in front of them', () => {
    // Levels: 3 bytes, packed, of which the rows 0, 2, 4, 6, 8 hold a value: 5 indices follow, not 10.
    const levels = [3, 0, 0, 0, 5, 0b01010101, 0b01];
    check(page(10, RLE_DICTIONARY, [...levels, 1, 10, 1]), rules({ definitions: 1 }));
    expect(() => check(page(10, RLE_DICTIONARY, [...levels, 1, 20, 1]), rules({ definitions: 1 }))).toThrow(
      'a run of 10 values where 5 are left',
    );
    expect(() => check(page(10, RLE_DICTIONARY, [0xff, 0xff, 0, 0, 5]), rules({ definitions: 1 }))).toThrow(
      'levels of 65535 bytes in a page of 5',
    );
  });

  it('are checked after they are decompressed, where they are packed', () => {
    const bytes = Uint8Array.from(page(10, RLE_DICTIONARY, [7, 7], 3));
    const start = bytes.length - 2;
    const good = checkChunk(bytes, rules(), () => Uint8Array.of(1, 20, 1));
    expect([...good(bytes.subarray(start), 3)]).toEqual([1, 20, 1]);
    const bad = checkChunk(bytes, rules(), () => Uint8Array.of(1, 60, 1));
    expect(() => bad(bytes.subarray(start), 3)).toThrow('a run of 30 values where 10 are left');
    expect(() => good(bytes.subarray(start - 1), 3)).toThrow('a page where none begins');
  });
});
