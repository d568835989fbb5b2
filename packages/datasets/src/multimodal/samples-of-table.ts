/** Samples of the rows of a table, for predictions. */
import { ConfigError, excerpt, FormatError } from '@polygate/core';
import type { StoredInput } from '@polygate/stream';
import { dirname } from 'node:path';
import { requireFile } from '../files/paths.ts';
import type { SampleContent } from '../samples/sample.ts';
import { openTable } from '../tables/table.ts';
import { fieldNames, sampleOfFields } from './sample-of-fields.ts';

/** A row of a table: its contents by input, or why it has none. */
export type TableSample =
  | { readonly row: string; readonly contents: Readonly<Record<string, SampleContent>> }
  | { readonly row: string; readonly reason: string };

export interface TableSampleOptions {
  /** Folder of the files that cells name. @default that of the table */
  readonly folder?: string | undefined;
  /** Told once of each text that is none of the categories of a column, and counts as missing. */
  readonly onNew?: (column: string, text: string) => void;
}

/**
 * The rows of a table (CSV, JSON lines, Parquet) in their order, by the columns that a model was trained on; others are
 * passed over.
 * @throws ConfigError for a table that has none of the columns
 */
export async function* samplesOfTable(
  file: string,
  inputs: Readonly<Record<string, StoredInput>>,
  { folder = dirname(file), onNew }: TableSampleOptions = {},
): AsyncGenerator<TableSample> {
  await requireFile(file, 'table file');
  const names = fieldNames(inputs);
  const wanted = names.slice(0, 1).map((given) => ({ role: 'input', option: 'table', given }));
  const table = await openTable(file, {}, wanted);
  const used = new Set([...names, ...Object.keys(inputs)]);
  const columns = table.columns.flatMap((name, index) => (used.has(name) ? [{ name, index }] : []));
  if (columns.length === 0) {
    throw new ConfigError(
      `table ${file}: expected columns among ${excerpt(names, 400)}, got ${excerpt(table.columns, 400)}; give a table of what the model was trained on`,
      { code: 'table-column', fields: { file } },
    );
  }
  const told = new Set<string>();
  const tellOnce = (column: string, text: string): void => {
    const key = JSON.stringify([column, text]);
    if (!told.has(key)) onNew?.(column, text);
    told.add(key);
  };
  for await (const item of table.rows()) {
    const row = `line ${item.line}`;
    if (item.kind === 'bad-record') {
      yield { row, reason: item.reason };
      continue;
    }
    const fields = Object.fromEntries(columns.map(({ name, index }) => [name, item.fields[index] ?? '']));
    try {
      const contents = await sampleOfFields(fields, inputs, { name: row, folder, onNew: tellOnce });
      yield { row, contents };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      yield { row, reason: error.message };
    }
  }
}
