/**
 * The bytes of a file as its readers want them: gzip is taken off by the file's first bytes, whatever its name, other
 * compression is named and refused, text comes as UTF-8 with line feeds.
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { createGunzip } from 'node:zlib';
import { FormatError } from '@polygate/core';

/** First bytes of containers that are not opened, with what opens them. */
const foreign: readonly {
  readonly name: string;
  readonly magic: readonly number[];
  readonly remedy: string;
}[] = [
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], remedy: 'zstd -d' },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], remedy: 'xz -d' },
  // "BZh", a digit, and the first block's mark: text may well begin with the first three letters.
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68, -1, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59], remedy: 'bzip2 -d' },
  { name: 'LZ4', magic: [0x04, 0x22, 0x4d, 0x18], remedy: 'lz4 -d' },
  { name: 'zip', magic: [0x50, 0x4b, 0x03, 0x04], remedy: 'unzip' },
  { name: '7z', magic: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], remedy: '7z x' },
];
const HEAD_BYTES = 512;

/** First bytes of tables in forms that are not read. */
const tables: readonly {
  readonly name: string;
  readonly magic: readonly number[];
  /** The source that reads it. */
  readonly reader?: string;
}[] = [
  { name: 'Parquet', magic: [0x50, 0x41, 0x52, 0x31], reader: 'parquet' },
  { name: 'Arrow', magic: [0x41, 0x52, 0x52, 0x4f, 0x57, 0x31] },
  { name: 'HDF5', magic: [0x89, 0x48, 0x44, 0x46] },
  { name: 'SQLite', magic: [0x53, 0x51, 0x4c, 0x69, 0x74, 0x65, 0x20] },
  { name: 'the workbook of an old Excel', magic: [0xd0, 0xcf, 0x11, 0xe0] },
];
/** Workbooks are zip archives and told by their names. */
const workbook = /\.(?:xls[xmb]|ods|numbers)$/iu;

const begins = (bytes: Uint8Array, magic: readonly number[]): boolean =>
  bytes.length >= magic.length && magic.every((byte, i) => byte < 0 || bytes[i] === byte);

const isGzip = (head: Uint8Array): boolean => begins(head, [0x1f, 0x8b]);

const readHead = async (path: string): Promise<Uint8Array> => {
  const handle = await open(path, 'r');
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
};

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/**
 * The bytes of a file, decompressed where it is gzip, of one member or several.
 * @throws FormatError for other compression (naming it), damaged gzip (`gzip-broken`), a gzip file that ends early
 * (`gzip-truncated`, after the bytes that are there) and a file that can't be read
 */
export async function* readBytes(path: string): AsyncGenerator<Uint8Array> {
  const name = basename(path);
  const fail = (code: string, problem: string, cause?: unknown): FormatError =>
    new FormatError(`${name}: ${problem}`, { code, fields: { path }, cause });
  let head: Uint8Array;
  try {
    head = await readHead(path);
  } catch (cause) {
    throw fail('unreadable-file', `expected a readable file, got ${reasonOf(cause)}; check ${path}`, cause);
  }
  const other = foreign.find(({ magic }) => begins(head, magic));
  if (other?.name === 'zip' && workbook.test(name))
    throw fail('table-format', 'expected text, got a workbook; save its sheet as CSV UTF-8');
  if (other) {
    throw fail(
      'compression',
      `expected a plain or gzip file, got ${other.name}; unpack it first (${other.remedy} ${name})`,
    );
  }
  const table = tables.find(({ magic }) => begins(head, magic));
  if (table)
    throw fail(
      'table-format',
      `expected text, got ${table.name}; ${table.reader ? `read it with the source ${table.reader}, or ` : ''}write it as CSV or JSON lines (pandas: to_csv, to_json(lines=True, orient="records"))`,
    );
  const gzip = isGzip(head);
  const file = createReadStream(path);
  const stream = gzip ? file.pipe(createGunzip()) : file;
  // `pipe` does not hand errors on: without this one of the file would end the process.
  file.on('error', (error) => stream.destroy(error));
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (cause) {
    const cut = (cause as { readonly code?: unknown } | undefined)?.code === 'Z_BUF_ERROR';
    if (cut) {
      throw fail(
        'gzip-truncated',
        `expected the end of the gzip data, got the end of the file; fetch it again`,
        cause,
      );
    }
    throw fail(
      gzip ? 'gzip-broken' : 'unreadable-file',
      `expected ${gzip ? 'gzip data' : 'a readable file'}, got ${reasonOf(cause)}; fetch it again`,
      cause,
    );
  } finally {
    file.destroy();
    stream.destroy();
  }
}

/** Whether bytes look like UTF-16 without a mark: every second byte of the first sixteen is zero. */
const looksWide = (bytes: Uint8Array): boolean => {
  const head = bytes.subarray(0, 16);
  if (head.length < 8) return false;
  const zeros = [0, 1].map((side) => head.filter((byte, i) => i % 2 === side && byte === 0).length);
  const pairs = Math.floor(head.length / 2);
  return (zeros[0] === pairs && zeros[1] === 0) || (zeros[1] === pairs && zeros[0] === 0);
};

const refuseWide = (path: string, bytes: Uint8Array): void => {
  const marked = begins(bytes, [0xff, 0xfe]) || begins(bytes, [0xfe, 0xff]);
  if (!marked && !looksWide(bytes)) return;
  throw new FormatError(
    `${basename(path)}: expected UTF-8 text, got UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)`,
    { code: 'utf-16', fields: { path } },
  );
};

/**
 * The bytes of a text file, a UTF-8 mark in front left out. Lines end in LF or CRLF; where the text has carriage
 * returns only, these become line feeds.
 * @throws FormatError as {@link readBytes}, and for UTF-16
 */
export async function* readTextBytes(path: string): AsyncGenerator<Uint8Array> {
  let first = true;
  let returnsOnly = false;
  for await (const chunk of readBytes(path)) {
    let bytes = chunk;
    if (first) {
      refuseWide(path, bytes);
      if (begins(bytes, [0xef, 0xbb, 0xbf])) bytes = bytes.subarray(3);
      returnsOnly = bytes.includes(0x0d) && !bytes.includes(0x0a);
    }
    first = false;
    yield returnsOnly ? bytes.map((byte) => (byte === 0x0d ? 0x0a : byte)) : bytes;
  }
}
