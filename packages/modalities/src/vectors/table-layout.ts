/**
 * One token for each column of a row of a table. A token has a block for each column, of which its own alone is filled: of a
 * number its value, 1 where it is there, 1 where it is missing; of a category 1 at its index, or behind all where it is
 * missing. So one linear layer has weights of their own for each column, for each category, and for what is missing.
 */
import type { TableColumn } from '@polygate/stream';
import { scaled, type Scale, type TokenLayout } from './token-layout.ts';

/** Values of a number's block: value, is there, is missing. */
const NUMBER_BLOCK = 3;

const blockOf = (column: TableColumn): number =>
  column.kind === 'number' ? NUMBER_BLOCK : column.values.length + 1;

/** The layout of a row. @param scales by column; those of categories are not used */
export const tableLayout = (columns: readonly TableColumn[], scales: readonly Scale[]): TokenLayout => {
  const starts: number[] = [];
  const width = columns.reduce((start, column) => {
    starts.push(start);
    return start + blockOf(column);
  }, 0);
  return {
    width,
    columns: 0,
    count: (numbers) => (numbers === 0 || numbers === columns.length ? numbers : undefined),
    write(numbers, token, out) {
      const column = columns[token] as TableColumn;
      const start = starts[token] ?? 0;
      if (column.kind === 'number') {
        const value = scaled(numbers[token], scales[token % scales.length] as Scale);
        out.fill(0);
        out[start] = value ?? 0;
        out[start + (value === undefined ? 2 : 1)] = 1;
        return true;
      }
      const index = numbers[token] ?? Number.NaN;
      const isIndex = Number.isInteger(index) && index >= 0 && index < column.values.length;
      out.fill(0);
      out[start + (isIndex ? index : column.values.length)] = 1;
      return true;
    },
  };
};
