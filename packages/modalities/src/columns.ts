/** Columns of a batch of rows as modalities read them: what @polygate/stream reads of a record batch, without Arrow. */
import type { NumericArray } from '@polygate/stream';

/** The rows of one batch. Arrays are borrowed. */
export interface BatchColumns {
  /** B, rows. */
  readonly size: number;
  has(name: string): boolean;
  /** A column with equally many values in each row, [B * values] row-major. @throws ConfigError for one of another kind */
  fixed(name: string): NumericArray;
  /** The list of numbers in one row of a column. @throws ConfigError for a column of another kind */
  list(name: string, row: number): NumericArray;
}
