/** Rows of objects as a source: the way in for readers that know nothing of Arrow. */
import type { RecordBatch } from 'apache-arrow';
import { ConfigError, excerpt, ownValue, StateError } from '@polygate/core';
import { buildBatch } from './build.ts';
import type { StreamSource } from './pipe.ts';
import type { ColumnsOf, Row } from './row-types.ts';
import { type Fields, schemaFields, type TypedSchema } from './schema.ts';
import { named } from './stage-errors.ts';

/** Rows in their order, or a function that begins anew with each call. */
export type Rows<T> = AsyncIterable<T> | Iterable<T> | (() => AsyncIterable<T> | Iterable<T>);

/** Settings of {@link fromRows}. */
export interface RowSourceOptions {
  /** Rows of a batch, the last one may be shorter. @default 256 */
  readonly rowsPerBatch?: number;
}

/** A source that keeps its schema's type. */
export interface RowSource<F extends Fields> extends StreamSource {
  readonly schema: TypedSchema<F>;
}

const toBatch = <F extends Fields>(
  schema: TypedSchema<F>,
  rows: readonly Row<F>[],
  first: number,
): RecordBatch => {
  const names = Object.keys(schemaFields(schema));
  rows.forEach((row, at) => {
    if (typeof row !== 'object' || row === null) {
      throw new ConfigError(
        `row ${first + at}: expected an object with ${names.join(', ')}, got ${excerpt(row)}`,
      );
    }
    const missing = names.find(
      (name) => ownValue(row as Readonly<Record<string, unknown>>, name) === undefined,
    );
    if (missing !== undefined) {
      throw new ConfigError(
        `row ${first + at}: expected a value for column "${missing}", got ${Object.keys(row).join(', ') || 'no columns'}; give every row every column, and leave out rows that lack one`,
        { code: 'columns', fields: { row: first + at, column: missing } },
      );
    }
  });
  const columns = Object.fromEntries(
    names.map((name) => [name, rows.map((row) => ownValue(row as Readonly<Record<string, unknown>>, name))]),
  );
  return buildBatch(schema, columns as unknown as ColumnsOf<F>);
};

/** Whether this gives its values once: what is its own iterator, as generators are. */
const givesOnce = (rows: AsyncIterable<unknown> | Iterable<unknown>): boolean =>
  (rows as { readonly next?: unknown }).next !== undefined;

/**
 * A source of rows that are objects with a value for each column of the schema; other keys are left out. A generator
 * gives its rows once: pass the function that makes it where the source is read again, as in training.
 * @throws ConfigError for a size of batches below 1. While rows flow: ConfigError for a row that lacks a column,
 * ShapeError for a value of another kind, StateError where a generator is read twice
 */
export const fromRows = <F extends Fields>(
  schema: TypedSchema<F>,
  rows: Rows<Row<F>>,
  { rowsPerBatch = 256 }: RowSourceOptions = {},
): RowSource<F> => {
  if (!Number.isSafeInteger(rowsPerBatch) || rowsPerBatch < 1) {
    throw new ConfigError(
      `fromRows: expected rowsPerBatch to be a whole number of at least 1, got ${rowsPerBatch}`,
    );
  }
  let begun = false;
  return {
    schema,
    async *batches({ signal } = {}) {
      const values = typeof rows === 'function' ? rows() : rows;
      if (begun && typeof rows !== 'function' && givesOnce(values)) {
        throw new StateError(
          'fromRows: expected rows that can be read again, got a generator that was read before; pass the function that makes it: fromRows(schema, () => read())',
        );
      }
      begun = true;
      let held: Row<F>[] = [];
      let first = 0;
      const take = (): RecordBatch => {
        try {
          return toBatch(schema, held, first);
        } catch (error) {
          throw named(error, `rows ${first} to ${first + held.length - 1}`);
        } finally {
          first += held.length;
          held = [];
        }
      };
      for await (const row of values) {
        signal?.throwIfAborted();
        held.push(row);
        if (held.length === rowsPerBatch) yield take();
      }
      if (held.length > 0) yield take();
    },
  };
};
