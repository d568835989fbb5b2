/** Several tables of the same columns, read as one; where the names of the files say splits, they are a column. */
import { basename } from 'node:path';
import { ConfigError, excerpt } from '@polygate/core';
import { splitOfFile } from '../splits/split-names.ts';
import { openTable, type Table, type TableOptions, type WantedColumn } from './table.ts';

/** Name of the column of splits that the names of files say. */
const SPLIT = 'split';

/** Indices of columns by name. @throws ConfigError for a table that lacks one of them */
const indicesOf = (file: string, table: Table, columns: readonly string[], first: string): number[] => {
  const indices = columns.map((name) => table.columns.indexOf(name));
  const lacking = columns.find((_, at) => (indices[at] ?? -1) < 0);
  if (lacking === undefined) return indices;
  throw new ConfigError(
    `table ${file}: expected the columns of ${first}, got ${excerpt(table.columns, 200)} without "${lacking}"; name tables of the same columns`,
    { code: 'table-columns-differ', fields: { file, column: lacking } },
  );
};

/**
 * Opens one table, or several as one: columns are those of the first, in whatever order others have them. Items name their
 * file where there are several.
 * @throws ConfigError for a table that lacks a column of the first, and as {@link openTable}
 */
export const openTables = async (
  files: readonly string[],
  options: TableOptions,
  wanted: readonly WantedColumn[],
): Promise<Table> => {
  const [first = ''] = files;
  const head = await openTable(first, options, wanted);
  if (files.length < 2) return head;
  const { columns } = head;
  const splits = files.map((file) => splitOfFile(basename(file)));
  const isSplit = splits.every((split) => split !== undefined) && !columns.includes(SPLIT);
  const parts: { readonly file: string; readonly table: Table; readonly indices: readonly number[] }[] = [];
  for (const file of files) {
    const table = file === first ? head : await openTable(file, options, wanted);
    parts.push({ file, table, indices: indicesOf(file, table, columns, first) });
  }
  return head.with({
    columns: isSplit ? [...columns, SPLIT] : columns,
    async *rows() {
      for (const [at, { file, table, indices }] of parts.entries()) {
        const added = isSplit ? [splits[at] ?? ''] : [];
        for await (const item of table.rows()) {
          const named = { ...item, file: basename(file) };
          yield named.kind === 'record'
            ? { ...named, fields: [...indices.map((index) => named.fields[index] ?? ''), ...added] }
            : named;
        }
      }
    },
  });
};
