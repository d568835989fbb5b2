/** The one place where Arrow data of a kind is put together and taken apart, with the casts that Arrow's types need. */
import { type Data, makeData, RecordBatch, type Schema, Struct } from 'apache-arrow';
import { FormatError } from '@polygate/core';
import { arrowType, type FieldKind, type NumericArray } from './kinds.ts';
import { columnIndex } from './schema.ts';

/** Buffers of a non-nullable column. */
export interface DataParts {
  readonly length: number;
  readonly valueOffsets?: Int32Array;
  readonly data?: NumericArray;
  readonly child?: Data;
}

/** Arrow data of a kind over the given buffers (borrowed). */
export const makeColumn = (kind: FieldKind, parts: DataParts): Data =>
  makeData({ type: arrowType(kind), nullCount: 0, ...parts } as unknown as Parameters<typeof makeData>[0]);

/** The values of a primitive column, or the bytes of a text or binary one. */
export const numbersOf = (data: Data): NumericArray => data.values as unknown as NumericArray;

/** The bytes of a text or binary column. */
export const bytesOf = (data: Data): Uint8Array => data.values as unknown as Uint8Array;

/** The offsets of a text, binary or list column. */
export const offsetsIn = (data: Data): Int32Array => data.valueOffsets as unknown as Int32Array;

/** The values column of a list. */
export const childOf = (data: Data): Data => data.children[0] as Data;

/** Arrow data of a column. @throws ConfigError naming the missing column and the known ones */
export const columnDataOf = (batch: RecordBatch, name: string): Data =>
  batch.data.children[columnIndex(batch.schema, name)] as Data;

/** The first null of a column or of its values, as the row it belongs to; undefined where there is none. */
const nullRow = (data: Data): number | undefined => {
  if (data.nullCount > 0) {
    for (let row = 0; row < data.length; row += 1) if (!data.getValid(row)) return row;
  }
  const child = data.children[0];
  const inner = child === undefined ? undefined : nullRow(child);
  if (inner === undefined) return undefined;
  // Offsets of lists are few beside their values; the row is the last one that begins at or before the null.
  const offsets = data.valueOffsets === undefined ? undefined : offsetsIn(data);
  for (let row = 0; row < data.length; row += 1) {
    const end = offsets === undefined ? (row + 1) * data.stride : (offsets[row + 1] ?? 0);
    const start = offsets === undefined ? row * data.stride : (offsets[row] ?? 0);
    if (inner >= start && inner < end) return row;
  }
  return undefined;
};

/** Refuses a column with nulls: streams carry none, so they would be read as 0 or "". @throws FormatError */
export const refuseNulls = (data: Data, name: string, prefix = ''): void => {
  const row = nullRow(data);
  if (row === undefined) return;
  throw new FormatError(
    `${prefix}column "${name}": expected a value in every row, got null in row ${row}; fill it or drop the row`,
    { code: 'null-value', fields: { column: name, row } },
  );
};

/** Refuses a batch with nulls in any column. @param prefix what the error begins with. @throws FormatError */
export const refuseNullsIn = (batch: RecordBatch, prefix: string): void => {
  batch.schema.fields.forEach(({ name }, index) => {
    refuseNulls(batch.data.children[index] as Data, name, prefix);
  });
};

/** A record batch from Arrow data of each column, in the schema's order. */
export const assembleBatch = (schema: Schema, children: Data[], length: number): RecordBatch =>
  new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length, nullCount: 0, children }));

/** Bytes that rows start .. start + count of a column take in buffers, without padding. */
const runBytes = (data: Data, start: number, count: number): number => {
  if (data.valueOffsets !== undefined) {
    const offsets = offsetsIn(data);
    const first = offsets[start] ?? 0;
    const span = (offsets[start + count] ?? 0) - first;
    return 4 * count + (data.children.length === 0 ? span : runBytes(childOf(data), first, span));
  }
  if (data.children.length > 0) return runBytes(childOf(data), start * data.stride, count * data.stride);
  return count * numbersOf(data).BYTES_PER_ELEMENT;
};

/** Bytes that rows of a batch take in buffers, without padding. */
export const rowBytes = (batch: RecordBatch, start: number, count: number): number => {
  let total = 0;
  for (const data of batch.data.children) total += runBytes(data, start, count);
  return total;
};

/** Bytes of all rows of a batch. */
export const batchBytes = (batch: RecordBatch): number => rowBytes(batch, 0, batch.numRows);
