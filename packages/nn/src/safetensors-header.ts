/**
 * The header of a safetensors file: 8 bytes of little-endian length N, then N bytes of JSON that map each tensor's
 * name to `{dtype, shape, data_offsets: [begin, end]}` (offsets counted from the end of the header) and
 * `__metadata__` to texts. The data follow, without gaps or overlaps, to the end of the file.
 * Everything is checked before it is believed, so a damaged file can't make a reader allocate or read out of bounds.
 */
import { defaultBudgets, excerpt, FormatError, overBudget, parseJson, repeatedKey } from '@polygate/core';

/** Element types that are written. */
export type WritableDtype = 'F32' | 'BF16' | 'I64' | 'I32' | 'U8';
/** Element types that are read. */
export type SafetensorsDtype = WritableDtype | 'F16' | 'F64' | 'BOOL' | 'I8' | 'I16' | 'U16' | 'U32' | 'U64';

/** Bytes of one element of the types that are read. */
export const ELEMENT_BYTES: Readonly<Record<SafetensorsDtype, number>> = Object.freeze({
  F64: 8,
  F32: 4,
  BF16: 2,
  F16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
});

/** Whether values of a type are read; tensors of others stand in `entries` and are refused when they are asked for. */
export const isReadable = (dtype: string): dtype is SafetensorsDtype => Object.hasOwn(ELEMENT_BYTES, dtype);

/** Types of the format that are not read, by bits of one element, so that their sizes can be checked. */
const OTHER_BITS: ReadonlyMap<string, number> = new Map([
  ['F8_E4M3', 8],
  ['F8_E5M2', 8],
  ['F8_E8M0', 8],
  ['F8_E4M3FNUZ', 8],
  ['F8_E5M2FNUZ', 8],
  ['F6_E2M3', 6],
  ['F6_E3M2', 6],
  ['F4', 4],
  ['C64', 64],
]);

/** Bytes of a tensor; undefined for a type that isn't known, of which nothing can be said. */
const tensorBytes = (dtype: string, shape: readonly number[]): number | undefined => {
  const bits = isReadable(dtype) ? ELEMENT_BYTES[dtype] * 8 : OTHER_BITS.get(dtype);
  if (bits === undefined) return undefined;
  const count = shape.reduce((size, n) => size * n, 1);
  return bits % 8 === 0 ? count * (bits / 8) : (count * bits) / 8;
};

/** Bytes of the length field. */
export const PREFIX_BYTES = 8;
/** Memory that a parsed header may take, as a multiple of its bytes. */
const PARSED_MULTIPLE = 24;
/** Longest name of an element type that is believed. */
const MAX_DTYPE_LENGTH = 32;
/** Highest rank that is believed. */
const MAX_RANK = 32;

/** Where one tensor lies. */
export interface SafetensorsEntry {
  /** As the header says it; one that isn't read is refused when the tensor is asked for. */
  readonly dtype: string;
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
export const headerLength = (
  prefix: Uint8Array,
  path: string,
  file: { readonly bytes: number; readonly headerBytes?: number },
): number => {
  const { bytes: fileBytes, headerBytes = defaultBudgets.headerBytes } = file;
  if (prefix.length < PREFIX_BYTES) {
    throw damaged(
      path,
      prefix.length,
      `expected ${PREFIX_BYTES} bytes of header length, got ${prefix.length}`,
    );
  }
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const length = view.getBigUint64(0, true);
  if (length > BigInt(headerBytes)) {
    throw damaged(path, 0, `for the header, ${overBudget('headerBytes', headerBytes, String(length))}`);
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

const parseHeaderJson = (bytes: Uint8Array, path: string): Readonly<Record<string, unknown>> => {
  if (bytes[0] !== 0x7b) throw damaged(path, PREFIX_BYTES, `expected the header to begin with "{"`);
  let value: unknown;
  let text = '';
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    value = parseJson(text, 'header', { jsonBytes: PARSED_MULTIPLE * bytes.length + 4096 });
  } catch (cause) {
    // What parseJson wraps says best what is wrong with the text; its own bounds have no cause.
    const { message, cause: inner } = cause as Error;
    const reason = inner instanceof Error ? inner.message : message;
    throw damaged(path, PREFIX_BYTES, `expected a header of JSON, got: ${reason}`, cause);
  }
  if (!isRecord(value)) throw damaged(path, PREFIX_BYTES, 'expected a header object');
  const twice = repeatedKey(text);
  if (twice !== undefined) {
    throw damaged(path, PREFIX_BYTES, `expected each name once in the header, got ${excerpt(twice)} twice`);
  }
  return value;
};

const parseEntry = (
  name: string,
  value: unknown,
  fail: (problem: string) => FormatError,
): SafetensorsEntry => {
  if (!isRecord(value)) throw fail(`expected an object for tensor ${excerpt(name)}`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || dtype === '' || dtype.length > MAX_DTYPE_LENGTH) {
    throw fail(`expected the name of a dtype for tensor ${excerpt(name)}, got ${excerpt(dtype)}`);
  }
  if (!Array.isArray(shape) || shape.length > MAX_RANK || !shape.every(isCount)) {
    throw fail(`expected a shape of at most ${MAX_RANK} whole numbers for tensor ${excerpt(name)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw fail(`expected two data_offsets for tensor ${excerpt(name)}`);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = tensorBytes(dtype, shape as number[]);
  if (bytes === undefined ? end < begin : !Number.isSafeInteger(bytes) || end - begin !== bytes) {
    throw fail(
      `expected ${bytes ?? 'no less than 0'} bytes for tensor ${excerpt(name)} (${dtype} [${shape.join(', ')}]), got ${end - begin}`,
    );
  }
  return { dtype, shape: Object.freeze(shape as number[]), begin, end };
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
  const json = parseHeaderJson(bytes, file.path);
  const dataStart = PREFIX_BYTES + bytes.length;
  const fail = (problem: string): FormatError => damaged(file.path, PREFIX_BYTES, problem);
  const tensors = Object.entries(json)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => [name, parseEntry(name, value, fail)] as const)
    .sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let next = 0;
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, entry] of tensors) {
    if (entry.begin !== next) {
      throw damaged(
        file.path,
        dataStart + next,
        `expected tensor ${excerpt(name)} to begin at data byte ${next}, got ${entry.begin}: a gap or an overlap`,
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
  readonly dtype: WritableDtype;
  readonly shape: readonly number[];
}

/** The length field and the header of tensors in this order, padded with spaces so that the data are aligned to 8. */
export const formatHeader = (
  items: readonly HeaderItem[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array => {
  const json: [string, unknown][] = Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  let offset = 0;
  for (const { name, dtype, shape } of items) {
    const end = shape.reduce((size, n) => size * n, ELEMENT_BYTES[dtype]) + offset;
    json.push([name, { dtype, shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(json)));
  const padded = Math.ceil(text.length / 8) * 8;
  const bytes = new Uint8Array(PREFIX_BYTES + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(text, PREFIX_BYTES);
  return bytes;
};
