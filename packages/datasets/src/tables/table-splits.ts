/** The column of splits of a table: the one that is named, else one that is found. */
import { isAbsent } from '../splits/split-cell.ts';
import { SplitFinder, type SplitColumn } from '../splits/split-names.ts';
import { SplitSearch } from '../splits/split-search.ts';
import type { Table } from './table.ts';

/** A column of splits; `index` is -1 where none is followed. */
export interface TableSplits extends SplitColumn {
  readonly index: number;
}

/**
 * Reads the table once.
 * @param given name or index of the column, `''` for none
 * @param used indices of the columns that hold images, texts and labels
 * @throws ConfigError where the named column is not there
 */
export const tableSplits = async (
  table: Table,
  given: string | number | undefined,
  used: readonly number[],
): Promise<TableSplits> => {
  if (given === '') return { followed: false, splits: [], notes: [], index: -1 };
  if (given !== undefined) {
    const index = table.column({ role: 'split', option: 'splitColumn', given });
    const finder = new SplitFinder();
    for await (const item of table.rows()) {
      const value = item.kind === 'record' ? item.fields[index] : undefined;
      if (!isAbsent(value)) finder.add(value);
    }
    const column = finder.resolve(table.columns[index] ?? '', true);
    return { ...column, index: column.followed ? index : -1 };
  }
  const search = new SplitSearch(used);
  for await (const item of table.rows()) {
    if (item.kind !== 'record') continue;
    search.addRow(item.fields.map((value, key) => ({ key, name: table.columns[key] ?? '', value })));
  }
  const splits = search.resolve();
  return { ...splits, index: typeof splits.key === 'number' ? splits.key : -1 };
};
