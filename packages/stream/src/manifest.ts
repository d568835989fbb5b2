/**
 * _manifest.json of a folder of shards: schema, metadata, row counts, and for each batch its place, rows and CRC-32.
 * The manifest carries the SHA-256 of itself; nothing in it is believed before that, the bounds of each number and
 * the seamless succession of the batches have been checked.
 */
import { createHash } from 'node:crypto';
import { lstat, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Schema } from 'apache-arrow';
import { excerpt, FormatError, parseJson, sha256 } from '@polygate/core';
import { parseKind } from './kinds.ts';
import type { Compression } from './lz4.ts';
import { checkVersion, rowMetadata } from './metadata.ts';
import { defineSchema, type Fields, MAX_COLUMNS } from './schema.ts';

/** A stretch of a file with its checksum. */
export interface Extent {
  /** First byte, from the start of the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  /** CRC-32 of the bytes. */
  readonly crc32: number;
}

/** Where one record batch lies in its shard. */
export interface BatchExtent extends Extent {
  readonly rows: number;
}

/** One Arrow IPC file. */
export interface ShardEntry {
  readonly file: string;
  readonly rows: number;
  readonly bytes: number;
  readonly header: Extent;
  readonly batches: readonly BatchExtent[];
  readonly footer: Extent;
}

/** Contents of _manifest.json. */
export interface Manifest {
  readonly format: 'polygate-shards';
  readonly version: number;
  readonly fields: Fields;
  readonly metadata: Readonly<Record<string, string>>;
  readonly compression: Compression;
  readonly rows: number;
  readonly bytes: number;
  readonly shards: readonly ShardEntry[];
}

/** Readers of whole folders, such as PyArrow's datasets, pass over names that begin with an underscore. */
export const MANIFEST_FILE = '_manifest.json';
/** Its name in folders that were written before. */
const FORMER_MANIFEST_FILE = 'manifest.json';
/** Largest batch of a shard, in bytes of the file; what is read of it at once is a budget. */
const MAX_EXTENT_BYTES = 2 ** 30;
/** Version of the manifest's layout. */
export const MANIFEST_VERSION = 1;
/** Largest manifest that is read, in bytes: some six million batches. */
const MAX_MANIFEST_BYTES = 2 ** 28;
/** Most rows of a batch. */
export const MAX_BATCH_ROWS = 2 ** 24;

type Plain = Readonly<Record<string, unknown>>;
/** [offset, length, crc32, rows]: rows is 0 for header and footer. */
type PackedExtent = readonly [number, number, number, number];

const packExtent = (extent: Extent, rows = 0): PackedExtent => [
  extent.offset,
  extent.length,
  extent.crc32,
  rows,
];

const packManifest = (manifest: Manifest): Plain => ({
  ...manifest,
  shards: manifest.shards.map((shard) => ({
    ...shard,
    header: packExtent(shard.header),
    batches: shard.batches.map((batch) => packExtent(batch, batch.rows)),
    footer: packExtent(shard.footer),
  })),
});

/** Text of _manifest.json: one line of JSON whose last entry is the SHA-256 of the text before it. */
export const formatManifest = (manifest: Manifest): string => {
  const body = JSON.stringify(packManifest(manifest));
  return `${body.slice(0, -1)},"sha256":"${sha256(body)}"}\n`;
};

/**
 * What the rows of a folder of shards are known by: SHA-256, hex, over the schema and the CRC-32 of each batch. Rows
 * that were written again from the same input have the same.
 */
export const contentHash = ({ fields, metadata, shards }: Manifest): string => {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([fields, rowMetadata(metadata)]));
  for (const { batches } of shards) {
    for (const { rows, length, crc32 } of batches) hash.update(`;${rows},${length},${crc32}`);
  }
  return hash.digest('hex');
};

/** The Arrow schema that a manifest describes. */
export const manifestSchema = (manifest: Manifest): Schema =>
  defineSchema(manifest.fields, manifest.metadata);

const tail = /^([\s\S]*),"sha256":"([0-9a-f]{64})"\}\n$/u;

const checkedBody = (marked: string, path: string): Plain => {
  // An editor's byte order mark is no change of the content.
  const text = marked.replace(/^\ufeff/u, '');
  const match = tail.exec(text);
  const body = `${match?.[1] ?? ''}}`;
  const digest = sha256(body);
  if (match === null || match[2] !== digest) {
    throw new FormatError(
      `${path}: expected a manifest that ends in the SHA-256 of itself, got ${match === null ? 'none' : `${match[2] ?? ''} over content of ${digest}`} ` +
        `(${text.length} characters); the file is damaged or was edited: restore it or prepare the data again`,
      { code: 'manifest-damaged', fields: { path } },
    );
  }
  return parseJson(body, path, { remedy: 'prepare the data again' }) as Plain;
};

/** Field readers that name the place of what they refuse. */
const reader = (path: string) => {
  const fail = (part: string, expected: string, got: unknown): never => {
    throw new FormatError(
      `${path}: ${part}: expected ${expected}, got ${excerpt(got)}; prepare the data again`,
      { code: 'manifest-malformed', fields: { path, place: part } },
    );
  };
  const record = (value: unknown, part: string): Plain =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Plain)
      : fail(part, 'an object', value);
  const list = (value: unknown, part: string): readonly unknown[] =>
    Array.isArray(value) ? value : fail(part, 'a list', value);
  const count = (value: unknown, part: string, limit = Number.MAX_SAFE_INTEGER): number =>
    Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= limit
      ? (value as number)
      : fail(part, `a whole number of 0 to ${limit}`, value);
  return { fail, record, list, count };
};

type Reader = ReturnType<typeof reader>;

const readExtent = (read: Reader, value: unknown, part: string, start: number): BatchExtent => {
  const [offset, length, crc32, rows] = read.list(value, part);
  if (offset !== start) read.fail(`${part} offset`, `${start}, the end of what lies before it`, offset);
  return {
    offset: start,
    length: read.count(length, `${part} length`, MAX_EXTENT_BYTES),
    crc32: read.count(crc32, `${part} crc32`, 0xffffffff),
    rows: read.count(rows, `${part} rows`, MAX_BATCH_ROWS),
  };
};

const readShard = (read: Reader, value: unknown, index: number): ShardEntry => {
  const path = `shard ${index}`;
  const plain = read.record(value, path);
  const { file } = plain;
  if (typeof file !== 'string' || !/^shard-\d{5,9}\.arrow$/u.test(file)) {
    return read.fail(`${path} file`, 'a name such as shard-00000.arrow', file);
  }
  const header = readExtent(read, plain.header, `${path} header`, 0);
  let end = header.length;
  let rows = 0;
  const batches = read.list(plain.batches, `${path} batches`).map((packed, i) => {
    const batch = readExtent(read, packed, `${path} batch ${i}`, end);
    end += batch.length;
    rows += batch.rows;
    return batch;
  });
  const footer = readExtent(read, plain.footer, `${path} footer`, end);
  end += footer.length;
  if (plain.bytes !== end) read.fail(`${path} bytes`, `${end}, the sum of its parts`, plain.bytes);
  if (plain.rows !== rows) read.fail(`${path} rows`, `${rows}, the sum of its batches`, plain.rows);
  return { file, rows, bytes: end, header, batches, footer };
};

/** Reads and checks the text of a manifest. @throws FormatError naming the place */
export const parseManifest = (text: string, path: string): Manifest => {
  const plain = checkedBody(text, path);
  const read = reader(path);
  if (plain.format !== 'polygate-shards') read.fail('format', 'polygate-shards', plain.format);
  if (plain.version !== MANIFEST_VERSION) {
    read.fail('version', `${MANIFEST_VERSION} (another version of Polygate wrote this)`, plain.version);
  }
  const metadata = read.record(plain.metadata, 'metadata');
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') read.fail(`metadata ${key}`, 'text', value);
  }
  checkVersion(metadata as Record<string, string>, path);
  const fields = read.record(plain.fields, 'fields');
  const columns = Object.keys(fields).length;
  if (columns < 1 || columns > MAX_COLUMNS) read.fail('fields', `1 to ${MAX_COLUMNS} columns`, columns);
  const kinds = Object.entries(fields).map(([name, value]) => {
    try {
      return [name, parseKind(value, name)] as const;
    } catch {
      return read.fail(`fields ${name}`, 'a known field kind', value);
    }
  });
  const { compression } = plain;
  if (compression !== 'none' && compression !== 'lz4')
    return read.fail('compression', 'none or lz4', compression);
  const shards = read.list(plain.shards, 'shards').map((shard, i) => readShard(read, shard, i));
  const rows = shards.reduce((sum, shard) => sum + shard.rows, 0);
  const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
  if (plain.rows !== rows) read.fail('rows', `${rows}, the sum of the shards`, plain.rows);
  if (plain.bytes !== bytes) read.fail('bytes', `${bytes}, the sum of the shards`, plain.bytes);
  return {
    format: 'polygate-shards',
    version: MANIFEST_VERSION,
    fields: Object.fromEntries(kinds),
    metadata: metadata as Readonly<Record<string, string>>,
    compression,
    rows,
    bytes,
    shards,
  };
};

/** Path of a folder's manifest, by its present or its former name. */
export const manifestPath = async (directory: string): Promise<string> => {
  const [path, former] = [MANIFEST_FILE, FORMER_MANIFEST_FILE].map((name) => join(directory, name)) as [
    string,
    string,
  ];
  const exists = async (file: string): Promise<boolean> =>
    (await lstat(file).catch(() => undefined)) !== undefined;
  return (await exists(path)) || !(await exists(former)) ? path : former;
};

/** Reads the manifest of a folder. @throws FormatError with the remedy when it is missing, too big or damaged */
export const readManifest = async (directory: string): Promise<Manifest> => {
  const path = await manifestPath(directory);
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > MAX_MANIFEST_BYTES) {
      throw new FormatError(
        `${path}: expected at most ${MAX_MANIFEST_BYTES} bytes, got ${size}; write fewer, larger batches`,
      );
    }
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof FormatError) throw cause;
    throw new FormatError(
      `${path}: expected the manifest of a folder of shards, got ${(cause as NodeJS.ErrnoException).code ?? String(cause)}; ` +
        'give the folder that holds _manifest.json, or prepare the data first',
      { code: 'manifest-missing', fields: { path }, cause },
    );
  }
  return parseManifest(text, path);
};
