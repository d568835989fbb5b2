/**
 * Parquet files, row group by row group. The decoder is hyparquet; footer and pages are checked before it reads them, so
 * that a damaged or hostile file can't make it allocate beyond the budget.
 * Source: Apache Parquet format.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Budgets, FormatError, overBudget, resolveBudgets } from '@polygate/core';
import { type FileMetaData, parquetMetadata, parquetSchema, type RowGroup, type SchemaTree } from 'hyparquet';
import { assembleAsync, readRowGroup } from 'hyparquet/src/rowgroup.js';
import { flatten } from 'hyparquet/src/utils.js';
import type { ValueCells, ValueColumn, ValueRows } from '../values/value-type.ts';
import { expandOf } from './parquet-compression.ts';
import { checkChunk, type Expand, type LeafColumn, ParquetDamage } from './parquet-pages.ts';
import { columnsOf, leafOf } from './parquet-schema.ts';

/** An opened file: what its footer says. */
export interface ParquetFile {
  readonly columns: readonly ValueColumn[];
  /** Key-value metadata, such as `huggingface`. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly rows: number;
  /** All rows of the named columns, a row group at a time. @throws FormatError for damage, naming the file and column */
  groups(columns: readonly string[]): AsyncGenerator<ValueRows>;
}

/** Magic and length at the end of a file. */
const TAIL_BYTES = 8;
/** Memory that a value takes in the decoder's lists beside its bytes. */
const VALUE_BYTES = 16;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const parsers = {
  /** Text that is not UTF-8 stays what it is, bytes, which no reader takes for a text. */
  stringFromBytes(bytes: Uint8Array | undefined): string | Uint8Array | undefined {
    try {
      return bytes && decoder.decode(bytes);
    } catch {
      return bytes;
    }
  },
  jsonFromBytes: (bytes: Uint8Array | undefined) => parsers.stringFromBytes(bytes),
};

const readAt = async (file: FileHandle, start: number, length: number): Promise<Uint8Array<ArrayBuffer>> => {
  const bytes = new Uint8Array(length);
  let got = 0;
  while (got < length) {
    const { bytesRead } = await file.read(bytes, got, length - got, start + got);
    if (bytesRead === 0) throw new ParquetDamage(`the end of the file at byte ${start + got}`);
    got += bytesRead;
  }
  return bytes;
};

const readFooter = async (file: FileHandle, size: number, headerBytes: number): Promise<FileMetaData> => {
  if (size < TAIL_BYTES + 4) throw new ParquetDamage(`${size} bytes, which is too short for a Parquet file`);
  const head = Buffer.from(await readAt(file, 0, 4)).toString('latin1');
  const tail = await readAt(file, size - TAIL_BYTES, TAIL_BYTES);
  const mark = Buffer.from(tail.subarray(4)).toString('latin1');
  if (mark === 'PARE' || head === 'PARE')
    throw new ParquetDamage('an encrypted file; write it without encryption');
  if (head !== 'PAR1' || mark !== 'PAR1')
    throw new ParquetDamage(
      `${head === 'PAR1' ? 'one that ends before its footer' : 'another format'}; fetch or write it again`,
    );
  const length = new DataView(tail.buffer).getUint32(0, true);
  if (length > size - TAIL_BYTES - 4) throw new ParquetDamage(`a footer of ${length} bytes in ${size}`);
  if (length > headerBytes) throw new ParquetDamage(overBudget('headerBytes', headerBytes, length));
  return parquetMetadata(await readAt(file, size - length - TAIL_BYTES, length + TAIL_BYTES), {
    geoparquet: false,
    parsers,
  });
};

const whole = (value: unknown, name: string): number => {
  const number = typeof value === 'bigint' || typeof value === 'number' ? Number(value) : -1;
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new ParquetDamage(`a footer whose ${name} is ${String(value)}`);
};

/** One leaf of the columns that are wanted, in one row group. */
interface Chunk {
  readonly meta: NonNullable<RowGroup['columns'][number]['meta_data']>;
  readonly leaf: LeafColumn;
  readonly start: number;
  readonly length: number;
  readonly values: number;
  readonly expand: Expand | undefined;
}

const chunksOf = (group: RowGroup, tree: SchemaTree, wanted: ReadonlySet<string>): Chunk[] => {
  const chunks: Chunk[] = [];
  for (const { meta_data: meta, file_path: path, crypto_metadata: crypto } of group.columns) {
    const [name] = meta?.path_in_schema ?? [];
    if (!meta || name === undefined) throw new ParquetDamage('a column without description (encrypted?)');
    if (!wanted.has(name)) continue;
    if (crypto !== undefined) {
      throw new ParquetDamage(`column "${name}", which is encrypted; write it without encryption`);
    }
    if (path) throw new ParquetDamage('a column that lies in another file; write the file again');
    const data = whole(meta.data_page_offset, 'offset of a column');
    // Some writers give a dictionary that is not there the offset 0.
    const dictionary = whole(meta.dictionary_page_offset ?? 0n, 'offset of a dictionary');
    chunks.push({
      meta,
      leaf: leafOf(tree, meta.path_in_schema),
      start: dictionary > 0 && dictionary < data ? dictionary : data,
      length: whole(meta.total_compressed_size, 'size of a column'),
      values: whole(meta.num_values, 'number of values'),
      expand: expandOf(meta.codec),
    });
  }
  return chunks;
};

interface GroupContext {
  readonly file: FileHandle;
  readonly size: number;
  readonly budget: number;
  readonly metadata: FileMetaData;
  readonly tree: SchemaTree;
}

/** Reads, checks and decodes the wanted columns of one row group. */
const readGroup = async (
  group: RowGroup,
  wanted: readonly string[],
  { file, size, budget, metadata, tree }: GroupContext,
): Promise<Map<string, ValueCells>> => {
  const rows = whole(group.num_rows, 'number of rows');
  const checks = new Map<ArrayBufferLike, Expand>();
  const buffers = new Map<number, ArrayBuffer>();
  let left = budget;
  const chunks = chunksOf(group, tree, new Set(wanted));
  for (const { start, length, values, leaf, meta, expand } of chunks) {
    const path = meta.path_in_schema.join('.');
    try {
      if (start + length > size) throw new ParquetDamage(`${length} bytes at ${start} in a file of ${size}`);
      if (leaf.repetitions === 0 && values !== rows)
        throw new ParquetDamage(`${values} values where the row group has ${rows} rows`);
      const needed = Math.max(whole(meta.total_uncompressed_size, 'size'), length) + values * VALUE_BYTES;
      if (needed > left) throw new ParquetDamage(overBudget('groupBytes', budget, budget - left + needed));
      const bytes = await readAt(file, start, length);
      checks.set(bytes.buffer, checkChunk(bytes, { leaf, values, budget: left }, expand));
      buffers.set(start, bytes.buffer);
      left -= needed;
    } catch (error) {
      throw new ParquetDamage(`column "${path}": ${messageOf(error)}`);
    }
  }
  const expandChecked: Expand = (packed, length) => {
    const expand = checks.get(packed.buffer);
    if (!expand) throw new ParquetDamage('a page of no column');
    return expand(packed, length);
  };
  const compressors = Object.fromEntries(chunks.map(({ meta }) => [meta.codec, expandChecked]));
  const options = {
    file: { byteLength: size, slice: (start: number) => buffers.get(start) ?? new ArrayBuffer(0) },
    metadata,
    compressors,
    parsers,
    utf8: false,
  };
  const plan = {
    groupStart: 0,
    rowGroup: group,
    groupRows: rows,
    selectStart: 0,
    selectEnd: rows,
    chunks: chunks.map(({ meta, start, length }) => ({
      columnMetadata: meta,
      range: { startByte: start, endByte: start + length },
    })),
  };
  const read = readRowGroup(options, { metadata, rowStart: 0, rowEnd: rows, fetches: [], groups: [] }, plan);
  // All settle before one is thrown: a rejection that nobody awaits would end the process.
  const assembled = assembleAsync(read, tree, parsers).asyncColumns;
  const settled = await Promise.allSettled([...read.asyncColumns, ...assembled].map(({ data }) => data));
  const out = new Map<string, ValueCells>();
  for (const { pathInSchema } of assembled) {
    const name = pathInSchema[0] ?? '';
    const result =
      settled[read.asyncColumns.length + assembled.findIndex((each) => each.pathInSchema[0] === name)];
    if (result?.status !== 'fulfilled')
      throw new ParquetDamage(`column "${name}": ${messageOf(result?.reason)}`);
    const cells = flatten(result.value.data);
    if (cells.length !== rows)
      throw new ParquetDamage(`column "${name}" of ${cells.length} rows where the row group has ${rows}`);
    out.set(name, (row) => cells[row]);
  }
  return out;
};

const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/\s+/gu, ' ').slice(0, 200);

/** Runs a step on an opened file; whatever the decoder throws is damage of the file. */
const withFile = async <T>(
  path: string,
  step: (file: FileHandle, size: number) => Promise<T>,
): Promise<T> => {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    return await step(file, (await file.stat()).size);
  } catch (cause) {
    throw new FormatError(
      `${basename(path)}: expected a Parquet file that can be read, got ${messageOf(cause)}`,
      {
        code: 'parquet',
        fields: { path },
        cause,
      },
    );
  } finally {
    await file?.close();
  }
};

/**
 * Opens a Parquet file. `groupBytes` bounds what is read of a row group, `headerBytes` the footer.
 * @throws FormatError for another format, a damaged footer, encryption, and what exceeds a budget
 */
export const openParquetFile = async (path: string, budgets: Partial<Budgets> = {}): Promise<ParquetFile> => {
  const { groupBytes, headerBytes } = resolveBudgets(budgets);
  const opened = await withFile(path, async (file, size) => {
    const metadata = await readFooter(file, size, headerBytes);
    const tree = parquetSchema(metadata);
    const pairs = (metadata.key_value_metadata ?? []).map(({ key, value = '' }) => [key, value] as const);
    return { metadata, tree, columns: columnsOf(tree), pairs: new Map(pairs) };
  });
  const { metadata, tree, columns, pairs } = opened;
  return {
    columns,
    metadata: pairs,
    rows: metadata.row_groups.reduce((sum, group) => sum + Number(group.num_rows), 0),
    async *groups(wanted) {
      let start = 0;
      for (const group of metadata.row_groups) {
        const length = Number(group.num_rows);
        // A shard without rows has a group without pages.
        if (length === 0) continue;
        const read = await withFile(path, (file, size) =>
          readGroup(group, wanted, { file, size, budget: groupBytes, metadata, tree }),
        );
        yield { start, length, columns: read };
        start += length;
      }
    },
  };
};
