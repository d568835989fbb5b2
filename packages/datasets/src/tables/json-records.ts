/** Files of JSON lines where a table of text is expected: the fields that hold a text, a number or a truth value, as cells. */
import { basename } from 'node:path';
import { ConfigError, excerpt, FormatError, parseJson } from '@polygate/core';
import { isJsonFields, type JsonFields } from '../samples/json-captions.ts';
import type { RecordItem } from './delimited.ts';
import { readLines, type LineItem } from './lines.ts';
import { cellText } from './cell-text.ts';
import type { TableRecords } from './parquet-records.ts';

/** Most different fields of a file. */
const MAX_FIELDS = 4096;

/** Whether a file is one of JSON lines by its name. */
export const isJsonLinesName = (name: string): boolean => /\.(?:jsonl|ndjson)(?:\.gz)?$/iu.test(name);

/** Cells of the columns, in their order. */
export const jsonCells = (fields: JsonFields, columns: readonly string[]): string[] =>
  columns.map((name) => (Object.hasOwn(fields, name) ? cellText(fields[name]) : ''));

/** A line's object, or why there is none. */
type JsonRow =
  { readonly fields: JsonFields } | { readonly bad: Extract<RecordItem, { readonly kind: 'bad-record' }> };

const rowOf = (line: LineItem, file: string): JsonRow => {
  const { number } = line;
  const bad = (code: string, reason: string): JsonRow => ({
    bad: { kind: 'bad-record', line: number, code, reason },
  });
  if (line.kind === 'bad-line') return bad(line.code, line.reason);
  try {
    const fields: unknown = parseJson(line.text, `${basename(file)}, line ${number}`, {
      line: number,
      nonFinite: 'null',
    });
    return isJsonFields(fields)
      ? { fields }
      : bad('bad-json', `expected a JSON object, got ${excerpt(fields)}`);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return bad('bad-json', error.message);
  }
};

async function* linesOf(file: string): AsyncGenerator<LineItem> {
  for await (const line of readLines(file))
    if (line.kind === 'bad-line' || line.text.trim() !== '') yield line;
}

/**
 * The rows of a file of JSON lines; its columns are the fields of all rows, in the order in which they come. A field that a
 * row lacks is an empty cell, and so is one that holds a list or an object.
 * @throws ConfigError for a file without an object, and for one of more than 4096 different fields
 */
export const openJsonRecords = async (file: string): Promise<TableRecords> => {
  const names = new Set<string>();
  let reason = 'an empty file';
  for await (const line of linesOf(file)) {
    const row = rowOf(line, file);
    if ('bad' in row) ({ reason } = row.bad);
    else for (const name of Object.keys(row.fields)) names.add(name);
    if (names.size > MAX_FIELDS)
      throw new ConfigError(
        `table ${file}: expected at most ${MAX_FIELDS} different fields, got more; write rows as objects of the same fields`,
        { code: 'too-many-fields', fields: { file } },
      );
  }
  if (names.size === 0)
    throw new ConfigError(
      `table ${file}: expected a JSON object on each line, got ${reason}; write each row as an object on a line of its own`,
      { code: 'table-empty', fields: { file } },
    );
  const columns = [...names];
  return {
    columns,
    async *records() {
      for await (const line of linesOf(file)) {
        const row = rowOf(line, file);
        yield 'bad' in row
          ? row.bad
          : { kind: 'record', line: line.number, quoted: [], fields: jsonCells(row.fields, columns) };
      }
    },
  };
};
