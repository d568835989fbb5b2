/** Types of the cells of tables whose cells are values, as Parquet and Arrow have them, and what stands in a cell. */
import type { ValueType } from '@polygate/stream';
import type { Fault } from '../samples/sample.ts';

export type { ValueType };

/** A column of a table of values. */
export interface ValueColumn {
  readonly name: string;
  readonly type: ValueType;
}

/** A type in words, for errors: `list of text`. */
export const describeType = (type: ValueType): string => {
  if (typeof type === 'string') return type;
  if ('list' in type) return `list of ${describeType(type.list)}`;
  return `{ ${[...type.struct.keys()].slice(0, 8).join(', ')} }`;
};

/** The value of a row of a stretch, counted from 0; nothing where the row has none. */
export type ValueCells = (row: number) => unknown;

/** A stretch of rows of some columns. */
export interface ValueRows {
  /** Number of the first row in its file. */
  readonly start: number;
  readonly length: number;
  readonly columns: ReadonlyMap<string, ValueCells>;
  /** Where a row stands in its file, for ids. @default its number from 0 */
  readonly rowName?: (row: number) => string;
  /** Rows of the stretch that can't be read. */
  readonly faults?: readonly Fault[];
}

/** A cell as readers take it: whole numbers that fit are numbers, others texts; what is missing is undefined. */
export const plainValue = (value: unknown): unknown => {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : value.toISOString();
  return value ?? undefined;
};
