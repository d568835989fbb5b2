/** Reading columns of a record batch without per-value objects. All views are borrowed from the batch. */
import type { Data, RecordBatch, Vector } from 'apache-arrow';
import { ConfigError, ShapeError } from '@polygate/core';
import { bytesOf, childOf, columnDataOf, numbersOf, offsetsIn, refuseNulls } from './arrow-data.ts';
import { describeKind, type FieldKind, isPrimitive, kindOfType, type NumericArray } from './kinds.ts';
import { columnIndex } from './schema.ts';

const decoder = new TextDecoder();

/** Whether a batch has a column of that name. */
export const hasColumn = (batch: RecordBatch, name: string): boolean =>
  batch.schema.fields.some((field) => field.name === name);

/** A column as an Arrow vector. @throws ConfigError naming the missing column and the known ones */
export const column = (batch: RecordBatch, name: string): Vector =>
  batch.getChildAt(columnIndex(batch.schema, name)) as Vector;

const checked = (
  batch: RecordBatch,
  name: string,
  expected: string,
  fits: (kind: FieldKind) => boolean,
): Data => {
  const data = columnDataOf(batch, name);
  const kind = kindOfType(data.type);
  if (kind === undefined || !fits(kind)) {
    throw new ConfigError(
      `column "${name}": expected ${expected}, got ${kind === undefined ? String(data.type) : describeKind(kind)}; ` +
        'read it with the function of its kind',
      { code: 'column-kind', fields: { column: name } },
    );
  }
  refuseNulls(data, name);
  return data;
};

const checkRow = (data: Data, name: string, row: number): void => {
  if (row >= 0 && row < data.length) return;
  throw new ShapeError(`column "${name}": expected a row of 0 to ${data.length - 1}, got ${row}`);
};

const isList = (kind: FieldKind): kind is { readonly list: FieldKind } =>
  typeof kind === 'object' && 'list' in kind;

const span = (data: Data, row: number): [number, number] => {
  const offsets = offsetsIn(data);
  return [offsets[row] ?? 0, offsets[row + 1] ?? 0];
};

const text = (data: Data, row: number): string => {
  const [start, end] = span(data, row);
  return decoder.decode(bytesOf(data).subarray(start, end));
};

/** All rows of a primitive column, shape [rows]. */
export const values = (batch: RecordBatch, name: string): NumericArray => {
  const data = checked(batch, name, 'a primitive column', isPrimitive);
  return numbersOf(data).subarray(0, data.length);
};

/** All values of a fixed-list column in one flat view, shape [rows * size], row-major. */
export const fixedListValues = (batch: RecordBatch, name: string): NumericArray => {
  const data = checked(
    batch,
    name,
    'a fixedList column',
    (kind) => typeof kind === 'object' && 'size' in kind,
  );
  const child = childOf(data);
  return numbersOf(child).subarray(0, child.length);
};

/** Values per row of a fixed-list column. */
export const fixedListSize = (batch: RecordBatch, name: string): number =>
  checked(batch, name, 'a fixedList column', (kind) => typeof kind === 'object' && 'size' in kind).stride;

/** One row of a fixed-list column, shape [size]. */
export const fixedListRow = (batch: RecordBatch, name: string, row: number): NumericArray => {
  const size = fixedListSize(batch, name);
  checkRow(columnDataOf(batch, name), name, row);
  return fixedListValues(batch, name).subarray(row * size, (row + 1) * size);
};

/** One row of a list of primitives, shape [its length]. */
export const listRow = (batch: RecordBatch, name: string, row: number): NumericArray => {
  const data = checked(batch, name, 'a list of numbers', (kind) => isList(kind) && isPrimitive(kind.list));
  checkRow(data, name, row);
  return numbersOf(childOf(data)).subarray(...span(data, row));
};

/** One row of a list of lists of primitives: an array of views. */
export const nestedListRow = (batch: RecordBatch, name: string, row: number): NumericArray[] => {
  const data = checked(
    batch,
    name,
    'a list of lists of numbers',
    (kind) => isList(kind) && isList(kind.list) && isPrimitive(kind.list.list),
  );
  checkRow(data, name, row);
  const inner = childOf(data);
  const leaf = numbersOf(childOf(inner));
  const [start, end] = span(data, row);
  return Array.from({ length: end - start }, (_, i) => leaf.subarray(...span(inner, start + i)));
};

/** One row of a utf8 column. */
export const textRow = (batch: RecordBatch, name: string, row: number): string => {
  const data = checked(batch, name, 'a utf8 column', (kind) => kind === 'utf8');
  checkRow(data, name, row);
  return text(data, row);
};

/** One row of a list of utf8. */
export const textListRow = (batch: RecordBatch, name: string, row: number): string[] => {
  const data = checked(batch, name, 'a list of utf8', (kind) => isList(kind) && kind.list === 'utf8');
  checkRow(data, name, row);
  const [start, end] = span(data, row);
  return Array.from({ length: end - start }, (_, i) => text(childOf(data), start + i));
};

/** One row of a binary column: a view of its bytes. */
export const binaryRow = (batch: RecordBatch, name: string, row: number): Uint8Array => {
  const data = checked(batch, name, 'a binary column', (kind) => kind === 'binary');
  checkRow(data, name, row);
  return bytesOf(data).subarray(...span(data, row));
};
