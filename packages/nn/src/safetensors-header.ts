/**
 * The header of a safetensors file: 8 bytes of little-endian length N, then N bytes of JSON that map each tensor's
 * name to `{dtype, shape, data_offsets: [begin, end]}` (offsets counted from the end of the header) and
 * `__metadata__` to texts. The data follow, without gaps or overlaps, to the end of the file.
 * Everything is checked before it is believed, so a damaged file can't make a reader allocate or read out of bounds.
 */
import { FormatError } from '@polygate/core';

/** Element types that are read; all but F16 are also written. */
export type SafetensorsDtype = 'F32' | 'BF16' | 'F16' | 'I64' | 'I32' | 'U8';

/** Bytes of one element. */
export const ELEMENT_BYTES: Readonly<Record<SafetensorsDtype, number>> = Object.freeze({
  F32: 4,
  BF16: 2,
  F16: 2,
  I64: 8,
  I32: 4,
  U8: 1,
});

/** Bytes of the length field. */
export const PREFIX_BYTES = 8;
/** Longest header that is believed; the format's own reader has the same limit. */
const MAX_HEADER_BYTES = 100_000_000;
/** Highest rank that is believed. */
const MAX_RANK = 32;

/** Where one tensor lies. */
export interface SafetensorsEntry {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** First byte and the byte after the last, counted from the beginning of the file. */
  readonly begin: number;
  readonly end: number;
}

/** What a header says, with its tensors in the order of their data. */
export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  /** First byte of the data. */
  readonly dataStart: number;
}

/** The error of a damaged file: names the file and the byte where the trouble shows. */
export const damaged = (path: string, byte: number, problem: string, cause?: unknown): FormatError =>
  new FormatError(
    `safetensors ${path}: at byte ${byte}, ${problem}; the file is damaged or isn't safetensors: copy or save it anew`,
    { fields: { path, byte }, ...(cause === undefined ? {} : { cause }) },
  );

/** The header's length. @throws FormatError when the file can't hold it */
export const headerLength = (prefix: Uint8Array, path: string, fileBytes: number): number => {
  if (prefix.length < PREFIX_BYTES) {
    throw damaged(
      path,
      prefix.length,
      `expected ${PREFIX_BYTES} bytes of header length, got ${prefix.length}`,
    );
  }
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw damaged(path, 0, `expected a header of at most ${MAX_HEADER_BYTES} bytes, got ${length}`);
  }
  if (length < 2n || Number(length) + PREFIX_BYTES > fileBytes) {
    throw damaged(
      path,
      0,
      `expected a header of 2 to ${Math.max(2, fileBytes - PREFIX_BYTES)} bytes in a file of ${fileBytes}, got ${length}`,
    );
  }
  return Number(length);
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const parseJson = (bytes: Uint8Array, path: string): Readonly<Record<string, unknown>> => {
  if (bytes[0] !== 0x7b) throw damaged(path, PREFIX_BYTES, `expected the header to begin with "{"`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw damaged(path, PREFIX_BYTES, `expected a header of JSON, got: ${reason}`, cause);
  }
  if (!isRecord(value)) throw damaged(path, PREFIX_BYTES, 'expected a header object');
  return value;
};

const parseEntry = (
  name: string,
  value: unknown,
  fail: (problem: string) => FormatError,
): SafetensorsEntry => {
  if (!isRecord(value)) throw fail(`expected an object for tensor "${name}"`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(ELEMENT_BYTES, dtype)) {
    throw fail(
      `expected a dtype among ${Object.keys(ELEMENT_BYTES).join(', ')} for tensor "${name}", got ${JSON.stringify(dtype)}`,
    );
  }
  if (!Array.isArray(shape) || shape.length > MAX_RANK || !shape.every(isCount)) {
    throw fail(`expected a shape of at most ${MAX_RANK} whole numbers for tensor "${name}"`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw fail(`expected two data_offsets for tensor "${name}"`);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = (shape as number[]).reduce((size, n) => size * n, ELEMENT_BYTES[dtype as SafetensorsDtype]);
  if (!Number.isSafeInteger(bytes) || end - begin !== bytes) {
    throw fail(
      `expected ${bytes} bytes for tensor "${name}" (${dtype} [${shape.join(', ')}]), got ${end - begin}`,
    );
  }
  return { dtype: dtype as SafetensorsDtype, shape: Object.freeze(shape as number[]), begin, end };
};

const parseMetadata = (
  value: unknown,
  fail: (problem: string) => FormatError,
): Readonly<Record<string, string>> => {
  if (value === undefined) return Object.freeze({});
  if (!isRecord(value) || !Object.values(value).every((text) => typeof text === 'string')) {
    throw fail('expected __metadata__ to map names to texts');
  }
  return Object.freeze({ ...value } as Record<string, string>);
};

/**
 * Reads a header's JSON.
 * @param bytes the header without its length field
 * @param file name for the error text, and the size of the whole file in bytes
 * @throws FormatError naming file and byte
 */
export const parseHeader = (
  bytes: Uint8Array,
  file: { readonly path: string; readonly bytes: number },
): SafetensorsHeader => {
  const json = parseJson(bytes, file.path);
  const dataStart = PREFIX_BYTES + bytes.length;
  const fail = (problem: string): FormatError => damaged(file.path, PREFIX_BYTES, problem);
  const found = Object.entries(json)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => [name, parseEntry(name, value, fail)] as const)
    .sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let next = 0;
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, entry] of found) {
    if (entry.begin !== next) {
      throw damaged(
        file.path,
        dataStart + next,
        `expected tensor "${name}" to begin at data byte ${next}, got ${entry.begin}: a gap or an overlap`,
      );
    }
    next = entry.end;
    entries.set(
      name,
      Object.freeze({ ...entry, begin: dataStart + entry.begin, end: dataStart + entry.end }),
    );
  }
  if (dataStart + next !== file.bytes) {
    throw damaged(
      file.path,
      Math.min(dataStart + next, file.bytes),
      `expected the data to end at byte ${dataStart + next}, got a file of ${file.bytes} bytes`,
    );
  }
  return { entries, metadata: parseMetadata(json['__metadata__'], fail), dataStart };
};

/** A tensor's place in a header that is to be written. */
export interface HeaderItem {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
}

/** The length field and the header of tensors in this order, padded with spaces so that the data are aligned to 8. */
export const formatHeader = (
  items: readonly HeaderItem[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array => {
  const json: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const { name, dtype, shape } of items) {
    const end = shape.reduce((size, n) => size * n, ELEMENT_BYTES[dtype]) + offset;
    json[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const text = new TextEncoder().encode(JSON.stringify(json));
  const padded = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(PREFIX_BYTES + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(text, PREFIX_BYTES);
  return bytes;
};
