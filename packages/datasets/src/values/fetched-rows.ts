/**
 * Tables that img2dataset wrote: rows whose image could not be fetched stand among the others. They are no damage of the
 * data, and may be a third of it: they are counted, and told of once.
 */
import { fault } from '../samples/sample.ts';
import type { ValuePart } from './value-table.ts';
import { plainValue, type ValueRows } from './value-type.ts';

const STATUS = 'status';
const SUCCESS = 'success';

/** Whether a table has the columns that img2dataset adds. */
const isFetchReport = ({ columns }: ValuePart): boolean =>
  [STATUS, 'error_message', 'url', 'key'].every((name) => columns.some((column) => column.name === name));

/** A part without the rows that were not fetched; one that img2dataset did not write stays as it is. */
export const fetchedRows = (part: ValuePart): ValuePart => {
  if (!isFetchReport(part)) return part;
  return {
    ...part,
    async *groups(wanted): AsyncGenerator<ValueRows> {
      let failed = 0;
      let all = 0;
      for await (const rows of part.groups([...new Set([...wanted, STATUS])])) {
        const status = rows.columns.get(STATUS);
        const kept: number[] = [];
        for (let row = 0; row < rows.length; row += 1)
          if (plainValue(status?.(row)) === SUCCESS) kept.push(row);
        failed += rows.length - kept.length;
        all += rows.length;
        const columns = [...rows.columns].map(
          ([name, read]) => [name, (row: number): unknown => read(kept[row] ?? -1)] as const,
        );
        const rowName = (row: number): string => String(rows.start + (kept[row] ?? 0));
        yield { ...rows, length: kept.length, columns: new Map(columns), rowName };
      }
      if (failed === 0) return;
      const reason = `expected images, got none in ${failed} of ${all} rows, which img2dataset could not fetch`;
      yield { start: 0, length: 0, columns: new Map(), faults: [fault(part.id, 'not-fetched', reason)] };
    },
  };
};
