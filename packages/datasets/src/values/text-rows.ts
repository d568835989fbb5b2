/** Tables of text, JSON lines and Parquet files that lie beside images, as tables of values. */
import { basename, extname } from 'node:path';
import { type Budgets, excerpt, FormatError, parseJson } from '@polygate/core';
import { openParquetFile } from '../parquet/parquet-file.ts';
import { isJsonFields, type JsonFields } from '../samples/json-captions.ts';
import { fault, type Fault } from '../samples/sample.ts';
import { readLines, type LineItem } from '../tables/lines.ts';
import { openTable } from '../tables/table.ts';
import { requireUtf8 } from '../tables/table-rows.ts';
import { type Feature, featuresOfMetadata } from './features.ts';
import type { ValueColumn, ValueRows, ValueType } from './value-type.ts';

/** A file of rows, whatever its format. */
export interface RowFile {
  readonly columns: readonly ValueColumn[];
  readonly features: ReadonlyMap<string, Feature>;
  groups(columns: readonly string[]): AsyncGenerator<ValueRows>;
}

/** Rows that are handed on at once. */
const GROUP_ROWS = 1024;
/** Rows by which the types of JSON lines are told. */
const SAMPLED_ROWS = 200;

export interface TextRow {
  readonly line: number;
  readonly cells: Readonly<Record<string, unknown>>;
}

/** Rows in stretches, as a table of values hands them on. */
export async function* grouped(rows: AsyncIterable<TextRow | Fault>): AsyncGenerator<ValueRows> {
  let held: TextRow[] = [];
  let faults: Fault[] = [];
  const flush = (): ValueRows => {
    const list = held;
    const names = new Set(list.flatMap(({ cells }) => Object.keys(cells)));
    const columns = [...names].map(
      (name) =>
        [
          name,
          (row: number): unknown => {
            const cells = list[row]?.cells ?? {};
            return Object.hasOwn(cells, name) ? cells[name] : undefined;
          },
        ] as const,
    );
    const rowName = (row: number): string => `line ${list[row]?.line ?? 0}`;
    const group = { start: 0, length: list.length, columns: new Map(columns), faults, rowName };
    held = [];
    faults = [];
    return group;
  };
  for await (const row of rows) {
    if ('reason' in row) faults.push(row);
    else held.push(row);
    if (held.length + faults.length >= GROUP_ROWS) yield flush();
  }
  if (held.length + faults.length > 0) yield flush();
}

const typeOf = (value: unknown): ValueType | undefined => {
  if (value === null || value === undefined) return undefined;
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number') return 'number';
  if (typeof value === 'boolean') return 'boolean';
  if (Array.isArray(value)) {
    const [first] = value.flatMap((item) => typeOf(item) ?? []);
    return { list: first ?? 'other' };
  }
  if (!isJsonFields(value)) return 'other';
  const struct = Object.entries(value).map(([name, inner]) => [name, typeOf(inner) ?? 'other'] as const);
  return { struct: new Map(struct) };
};

const parseLine = (line: LineItem, file: string): JsonFields | Fault => {
  const id = `${basename(file)}, line ${line.number}`;
  if (line.kind === 'bad-line') return fault(id, line.code, line.reason);
  try {
    const row = parseJson(line.text, id, { line: line.number, nonFinite: 'null' });
    return isJsonFields(row) ? row : fault(id, 'bad-json', `expected a JSON object, got ${excerpt(row)}`);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return fault(id, 'bad-json', error.message);
  }
};

const isFault = (row: JsonFields | Fault): row is Fault =>
  row['kind'] === 'fault' && 'code' in row && 'reason' in row && 'id' in row;

async function* jsonRows(file: string): AsyncGenerator<TextRow | Fault> {
  for await (const line of readLines(file)) {
    if (line.kind === 'line' && line.text.trim() === '') continue;
    const row = parseLine(line, file);
    yield isFault(row) ? row : { line: line.number, cells: row };
  }
}

/** Opens JSON lines, whatever the file is called. @throws FormatError for other encodings than UTF-8 */
export const openJsonLines = async (file: string): Promise<RowFile> => {
  await requireUtf8(file);
  const types = new Map<string, ValueType>();
  let rows = 0;
  for await (const row of jsonRows(file)) {
    if ('reason' in row) continue;
    for (const [name, value] of Object.entries(row.cells)) {
      const type = typeOf(value);
      if (type !== undefined && !types.has(name)) types.set(name, type);
    }
    rows += 1;
    if (rows >= SAMPLED_ROWS) break;
  }
  return {
    columns: [...types].map(([name, type]) => ({ name, type })),
    features: new Map(),
    groups: () => grouped(jsonRows(file)),
  };
};

const openDelimited = async (file: string, wanted: string): Promise<RowFile> => {
  const table = await openTable(file, {}, [
    { role: 'image', option: 'imageColumn', given: undefined, usual: [wanted] },
  ]);
  async function* rows(): AsyncGenerator<TextRow | Fault> {
    for await (const item of table.rows()) {
      const id = `${basename(file)}, line ${item.line}`;
      if (item.kind === 'bad-record') yield fault(id, item.code, item.reason);
      else {
        const cells = table.columns.map((name, index) => [name, item.fields[index]] as const);
        yield {
          line: item.line,
          cells: Object.fromEntries(cells.filter(([, value]) => value?.trim() !== '')),
        };
      }
    }
  }
  return {
    columns: table.columns.map((name) => ({ name, type: 'text' })),
    features: new Map(),
    groups: () => grouped(rows()),
  };
};

/**
 * Opens a table by the ending of its name: `.jsonl`, `.parquet`, else text with delimiters.
 * @param wanted a column by which the delimiter is recognised
 * @throws ConfigError and FormatError as the formats' own readers
 */
export const openRowFile = async (
  file: string,
  wanted: string,
  budgets: Partial<Budgets> = {},
): Promise<RowFile> => {
  switch (extname(file).toLowerCase()) {
    case '.jsonl':
      return openJsonLines(file);
    case '.parquet': {
      const { columns, metadata, groups } = await openParquetFile(file, budgets);
      return { columns, features: featuresOfMetadata(metadata), groups };
    }
    default:
      return openDelimited(file, wanted);
  }
};
