/**
 * Checks the pages of a Parquet column chunk before the decoder sees them. The decoder believes the counts that it reads:
 * a run of eight bytes may claim 2^30 values. Here each count is compared with what the footer says of the chunk.
 * Source: Apache Parquet format, "Data Pages", and Encodings.md.
 */
import { crc32, overBudget } from '@polygate/core';
import type { DataReader } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { deltaBinaryUnpack } from 'hyparquet/src/delta.js';
import { readVarInt } from 'hyparquet/src/thrift.js';

/** What is wrong with a chunk; the caller adds the file and the column. */
export class ParquetDamage extends Error {}

/** A column of numbers or bytes, as the footer describes it. */
export interface LeafColumn {
  /** Highest definition and repetition level; 0 for none. */
  readonly definitions: number;
  readonly repetitions: number;
  /** Bytes of a value of fixed length; 0 for other types. */
  readonly fixedLength: number;
  readonly boolean: boolean;
}

type PageHeader = ReturnType<typeof parquetHeader>;

/** One page: where its compressed part begins and ends, and what it must hold. */
interface Page {
  readonly header: PageHeader;
  /** First byte behind the levels of a page of the second version, which are never compressed. */
  readonly start: number;
  readonly end: number;
}

/** Encodings of values whose counts are checked here; all others are refused. */
const encodings: ReadonlySet<string> = new Set([
  'PLAIN',
  'PLAIN_DICTIONARY',
  'RLE_DICTIONARY',
  'RLE',
  'DELTA_BINARY_PACKED',
  'DELTA_LENGTH_BYTE_ARRAY',
  'DELTA_BYTE_ARRAY',
  'BYTE_STREAM_SPLIT',
]);
/** Most mini-blocks of a block of deltas, and most values of a block; writers use 4 and 128. */
const MAX_MINIBLOCKS = 1024;
const MAX_DELTA_BLOCK = 2 ** 20;
/** Widest index into a dictionary, in bits. */
const MAX_INDEX_BITS = 32;

const count = (value: unknown, name: string): number => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new ParquetDamage(`a page whose ${name} is ${String(value)}`);
};

/** How many of the packed values, each of `bits` bits, are `wanted`. */
const countPacked = (
  { view, offset }: DataReader,
  run: { readonly bits: number; readonly values: number },
  wanted: number,
): number => {
  let matches = 0;
  for (let i = 0; i < run.values; i += 1) {
    let value = 0;
    for (let bit = 0; bit < run.bits; bit += 1) {
      const at = i * run.bits + bit;
      const byte = offset + (at >>> 3);
      if (byte < view.byteLength && ((view.getUint8(byte) >>> (at & 7)) & 1) === 1) value += 2 ** bit;
    }
    if (value === wanted) matches += 1;
  }
  return matches;
};

/**
 * Walks runs of the hybrid of run lengths and packed bits; refuses those that claim more than `values`.
 * @returns how many of the values are `wanted`
 */
const checkRuns = (reader: DataReader, bits: number, values: number, wanted?: number): number => {
  let seen = 0;
  let matches = 0;
  while (seen < values) {
    const header = readVarInt(reader);
    const packed = (header & 1) === 1;
    const run = packed ? (header >>> 1) * 8 : header >>> 1;
    // Packed bits come in eights, of which the last may be filled up.
    if (run === 0 || seen + run > values + (packed ? 7 : 0))
      throw new ParquetDamage(`a run of ${run} values where ${values - seen} are left`);
    const bytes = packed ? (run / 8) * bits : Math.ceil(bits / 8);
    // The last bytes of packed bits may be left out.
    if (reader.offset + bytes > reader.view.byteLength + (packed ? bits : 0))
      throw new ParquetDamage(`a run of ${bytes} bytes beyond the end of its page`);
    const real = Math.min(run, values - seen);
    if (wanted !== undefined && packed) matches += countPacked(reader, { bits, values: real }, wanted);
    else if (wanted !== undefined) {
      let value = 0;
      for (let i = 0; i < bytes; i += 1) value += reader.view.getUint8(reader.offset + i) * 2 ** (8 * i);
      if (value === wanted) matches += real;
    }
    reader.offset += bytes;
    seen += run;
  }
  return matches;
};

/** Bits that levels from 0 to `most` take. */
const bitsOf = (most: number): number => 32 - Math.clz32(most);

/** Levels of a page of the first version: their length, then runs. @returns how many are the highest */
const checkLevels = (reader: DataReader, highest: number, values: number): number => {
  if (highest === 0) return values;
  const length = reader.view.getUint32(reader.offset, true);
  const start = reader.offset + 4;
  if (start + length > reader.view.byteLength)
    throw new ParquetDamage(`levels of ${length} bytes in a page of ${reader.view.byteLength}`);
  const matches = checkRuns({ view: reader.view, offset: start }, bitsOf(highest), values, highest);
  reader.offset = start + length;
  return matches;
};

/** @returns lengths or deltas of 32 bits; the reader stands behind them */
const deltas = (reader: DataReader, values: number): Int32Array => {
  const head = { view: reader.view, offset: reader.offset };
  const [block, miniblocks] = [readVarInt(head), readVarInt(head)];
  if (block <= 0 || block > MAX_DELTA_BLOCK || miniblocks <= 0 || miniblocks > MAX_MINIBLOCKS)
    throw new ParquetDamage(`blocks of ${block} deltas in ${miniblocks} parts`);
  const out = new Int32Array(values);
  if (values > 0) deltaBinaryUnpack(reader, values, out);
  return out;
};

const sumOf = (lengths: Int32Array): number => {
  let sum = 0;
  for (const length of lengths) {
    if (length < 0) throw new ParquetDamage(`a value of ${length} bytes`);
    sum += length;
  }
  return sum;
};

const checkValues = (
  reader: DataReader,
  encoding: string | undefined,
  { values, leaf, budget }: { readonly values: number; readonly leaf: LeafColumn; readonly budget: number },
): void => {
  if (encoding === undefined || !encodings.has(encoding))
    throw new ParquetDamage(`the encoding ${encoding ?? 'without a name'}, which is not read`);
  const left = reader.view.byteLength - reader.offset;
  if (encoding === 'RLE' && leaf.boolean) {
    checkRuns({ view: reader.view, offset: reader.offset + 4 }, 1, values);
  } else if (encoding.startsWith('RLE') || encoding === 'PLAIN_DICTIONARY') {
    const bits = left === 0 ? 0 : reader.view.getUint8(reader.offset);
    if (bits > MAX_INDEX_BITS) throw new ParquetDamage(`indices of ${bits} bits`);
    if (left > 1) checkRuns({ view: reader.view, offset: reader.offset + 1 }, bits, values);
  } else if (encoding === 'DELTA_BINARY_PACKED') {
    const head = { view: reader.view, offset: reader.offset };
    if (values > 0) deltas(head, Math.min(values, 1));
  } else if (encoding === 'DELTA_LENGTH_BYTE_ARRAY') {
    if (sumOf(deltas(reader, values)) > left) throw new ParquetDamage('texts longer than their page');
  } else if (encoding === 'DELTA_BYTE_ARRAY') {
    const bytes = sumOf(deltas(reader, values)) + sumOf(deltas(reader, values));
    if (bytes > budget) throw new ParquetDamage(overBudget('groupBytes', budget, bytes));
  } else if (encoding === 'BYTE_STREAM_SPLIT' && values * Math.max(leaf.fixedLength, 1) > left) {
    throw new ParquetDamage(`${values} values in ${left} bytes`);
  }
};

/** What the pages of a chunk must keep to. */
export interface ChunkRules {
  readonly leaf: LeafColumn;
  /** Most bytes of the pages of the chunk, decompressed. */
  readonly budget: number;
  /** Values of the chunk, nulls and empty lists among them, as the footer says. */
  readonly values: number;
}

/** Checks the decompressed part of a page. @throws ParquetDamage */
const checkBody = (body: Uint8Array, page: PageHeader, { leaf, budget }: ChunkRules): void => {
  const reader = { view: new DataView(body.buffer, body.byteOffset, body.byteLength), offset: 0 };
  const { data_page_header: first, data_page_header_v2: second } = page;
  if (page.type === 'DICTIONARY_PAGE') {
    const words = count(page.dictionary_page_header?.num_values, 'number of values');
    if (words > body.length * 8)
      throw new ParquetDamage(`${words} entries of a dictionary in ${body.length} bytes`);
  } else if (page.type === 'DATA_PAGE') {
    const all = count(first?.num_values, 'number of values');
    checkLevels(reader, leaf.repetitions, all);
    const values = checkLevels(reader, leaf.definitions, all);
    checkValues(reader, first?.encoding, { values, leaf, budget });
  } else {
    const nulls = count(second?.num_nulls, 'number of nulls');
    const values = count(second?.num_values, 'number of values') - nulls;
    if (values < 0) throw new ParquetDamage(`${nulls} nulls of fewer values`);
    checkValues(reader, second?.encoding, { values, leaf, budget });
  }
};

/** The chunk's pages, checked as far as their headers go. @throws ParquetDamage */
const pagesOf = (bytes: Uint8Array, { leaf, budget, values }: ChunkRules): Page[] => {
  const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
  const pages: Page[] = [];
  let expanded = 0;
  let seen = 0;
  while (reader.offset < bytes.length - 1) {
    const header = parquetHeader(reader);
    const packed = count(header.compressed_page_size, 'compressed size');
    const size = count(header.uncompressed_page_size, 'size');
    const end = reader.offset + packed;
    if (end > bytes.length) throw new ParquetDamage(`a page of ${packed} bytes beyond the end of its chunk`);
    if (header.crc !== undefined && crc32(bytes.subarray(reader.offset, end)) !== header.crc >>> 0)
      throw new ParquetDamage(`a page that fails its checksum, at byte ${reader.offset} of its chunk`);
    expanded += size;
    if (expanded > budget) throw new ParquetDamage(overBudget('groupBytes', budget, expanded));
    let start = reader.offset;
    const second = header.data_page_header_v2;
    if (header.type === 'DATA_PAGE_V2') {
      const repetition = count(second?.repetition_levels_byte_length, 'length of levels');
      const definition = count(second?.definition_levels_byte_length, 'length of levels');
      start += repetition + definition;
      if (start > end || repetition + definition > size)
        throw new ParquetDamage(`levels of ${repetition + definition} bytes in a page of ${packed}`);
      const rows = count(second?.num_values, 'number of values');
      if (leaf.repetitions > 0)
        checkRuns({ view: reader.view, offset: reader.offset }, bitsOf(leaf.repetitions), rows);
      if (leaf.definitions > 0)
        checkRuns({ view: reader.view, offset: reader.offset + repetition }, bitsOf(leaf.definitions), rows);
    }
    if (header.type !== 'DICTIONARY_PAGE') {
      seen += count(header.data_page_header?.num_values ?? second?.num_values, 'number of values');
      if (seen > values) throw new ParquetDamage(`${seen} values where the footer says ${values}`);
    }
    pages.push({ header, start, end });
    reader.offset = end;
  }
  return pages;
};

/** Decompresses a page to exactly `size` bytes. */
export type Expand = (packed: Uint8Array, size: number) => Uint8Array;

/**
 * Checks a chunk whose pages are not compressed, or gives the function that decompresses a page and checks it, for the
 * decoder to call. @param bytes the chunk in a buffer of its own @param expand undefined for pages that are not compressed
 * @throws ParquetDamage, and what the parser of headers throws
 */
export const checkChunk = (bytes: Uint8Array, rules: ChunkRules, expand: Expand | undefined): Expand => {
  const pages = new Map<number, PageHeader>();
  for (const { header, start, end } of pagesOf(bytes, rules)) {
    const plain =
      expand === undefined || header.data_page_header_v2?.is_compressed === false || start === end;
    if (plain) checkBody(bytes.subarray(start, end), header, rules);
    else pages.set(bytes.byteOffset + start, header);
  }
  return (packed, size) => {
    const header = pages.get(packed.byteOffset);
    if (!header || !expand) throw new ParquetDamage('a page where none begins');
    const body = expand(packed, size);
    checkBody(body, header, rules);
    return body;
  };
};
