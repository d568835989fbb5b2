/** Parquet files where a table of text is expected: the cells of columns that have a text form, row by row. */
import { open } from 'node:fs/promises';
import { openParquetFile } from '../parquet/parquet-file.ts';
import { cellText } from './cell-text.ts';
import type { RecordItem } from './delimited.ts';

/** A table's columns and rows. */
export interface TableRecords {
  readonly columns: readonly string[];
  records(): AsyncGenerator<RecordItem>;
}

const MAGIC = 'PAR1';

/** Whether a file begins as a Parquet file does. */
export const isParquetFile = async (path: string): Promise<boolean> => {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return false;
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, 0);
    return bytesRead === MAGIC.length && buffer.toString('latin1') === MAGIC;
  } finally {
    await file.close();
  }
};

/** Rows count from 1. @throws FormatError for a damaged file */
export const openParquetRecords = async (path: string): Promise<TableRecords> => {
  const file = await openParquetFile(path);
  const columns = file.columns.map(({ name }) => name);
  const readable = file.columns.filter(({ type }) => typeof type === 'string' && type !== 'bytes');
  const wanted = readable.map(({ name }) => name);
  return {
    columns,
    async *records() {
      for await (const { start, length, columns: cells } of file.groups(wanted)) {
        const reads = columns.map((name) => cells.get(name));
        for (let row = 0; row < length; row += 1)
          yield {
            kind: 'record',
            line: start + row + 1,
            quoted: [],
            fields: reads.map((read) => cellText(read?.(row))),
          };
      }
    },
  };
};
