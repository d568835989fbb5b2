/** Building record batches from typed arrays (zero-copy where the type already fits) and nested arrays. */
import type { Data, RecordBatch } from 'apache-arrow';
import { ConfigError, ownValue, ShapeError } from '@polygate/core';
import { assembleBatch, makeColumn } from './arrow-data.ts';
import { arrayOf, describeKind, type FieldKind, isPrimitive, type NumericArray } from './kinds.ts';
import type { ColumnInput, ColumnsOf } from './row-types.ts';
import { type Fields, schemaFields, type TypedSchema } from './schema.ts';

/** Largest offset that Arrow's 32-bit list, text and binary columns can hold. */
const MAX_OFFSET = 2 ** 31 - 1;

const describeInput = (input: unknown): string => {
  if (Array.isArray(input)) {
    const first: unknown = input[0];
    return `an array of ${input.length}${first === undefined ? '' : ` starting with ${describeInput(first)}`}`;
  }
  if (ArrayBuffer.isView(input)) return input.constructor.name;
  return input === null ? 'null' : typeof input;
};

const wrongInput = (column: string, expected: string, input: unknown): ShapeError =>
  new ShapeError(`${column}: expected ${expected}, got ${describeInput(input)}; convert the column first`, {
    fields: { place: column },
  });

const isNumeric = (input: unknown): input is NumericArray =>
  ArrayBuffer.isView(input) && !(input instanceof DataView);

/** Running sums of lengths, as 32-bit offsets. @throws ShapeError past 2 GiB */
export const offsetsOf = (lengths: Iterable<number>, count: number, column: string): Int32Array => {
  const offsets = new Int32Array(count + 1);
  let total = 0;
  let i = 0;
  for (const length of lengths) {
    total += length;
    if (total > MAX_OFFSET) {
      throw new ShapeError(
        `${column}: expected at most ${MAX_OFFSET} values or bytes in one batch, got more; use fewer rows per batch`,
        { fields: { place: column } },
      );
    }
    i += 1;
    offsets[i] = total;
  }
  return offsets;
};

const primitiveData = (kind: FieldKind, input: ColumnInput, column: string): Data => {
  const name = kind as Parameters<typeof arrayOf>[0];
  const ArrayType = arrayOf(name);
  let data: NumericArray;
  if (input instanceof (ArrayType as unknown as new () => NumericArray)) data = input;
  else if (isNumeric(input) || (Array.isArray(input) && input.every((value) => typeof value === 'number'))) {
    data = new ArrayType(input as ArrayLike<number>);
  } else throw wrongInput(column, `${describeKind(kind)} numbers`, input);
  return makeColumn(kind, { length: data.length, data });
};

const bytesData = (kind: 'utf8' | 'binary', input: ColumnInput, column: string): Data => {
  if (!Array.isArray(input)) {
    throw wrongInput(column, kind === 'utf8' ? 'an array of strings' : 'an array of byte arrays', input);
  }
  const rows: readonly unknown[] = input;
  const lengths = rows.map((row, i) => {
    if (kind === 'utf8' && typeof row === 'string') return Buffer.byteLength(row);
    if (kind === 'binary' && row instanceof Uint8Array) return row.length;
    throw wrongInput(`${column} row ${i}`, kind === 'utf8' ? 'a string' : 'a Uint8Array', row);
  });
  const valueOffsets = offsetsOf(lengths, rows.length, column);
  const data = Buffer.allocUnsafeSlow(valueOffsets[rows.length] ?? 0);
  rows.forEach((row, i) => {
    const at = valueOffsets[i] ?? 0;
    if (typeof row === 'string') data.write(row, at, 'utf8');
    else data.set(row as Uint8Array, at);
  });
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return makeColumn(kind, { length: rows.length, valueOffsets, data: bytes });
};

const flatten = (rows: readonly unknown[], kind: FieldKind, column: string): ColumnInput => {
  if (!isPrimitive(kind)) return rows.flat(1) as ColumnInput;
  let total = 0;
  for (const row of rows) total += (row as ArrayLike<number>).length;
  const flat = new (arrayOf(kind))(total);
  let at = 0;
  rows.forEach((row, i) => {
    if (!isNumeric(row) && !(row as readonly unknown[]).every((value) => typeof value === 'number')) {
      throw wrongInput(`${column} row ${i}`, `${kind} numbers`, row);
    }
    flat.set(row as ArrayLike<number>, at);
    at += (row as ArrayLike<number>).length;
  });
  return flat;
};

const rowsOf = (input: ColumnInput, kind: FieldKind, column: string): readonly unknown[] => {
  if (!Array.isArray(input)) throw wrongInput(column, `${describeKind(kind)} as one array per row`, input);
  input.forEach((row: unknown, i) => {
    if (!Array.isArray(row) && !isNumeric(row)) throw wrongInput(`${column} row ${i}`, 'an array', row);
  });
  return input;
};

const fixedData = (kind: Extract<FieldKind, { size: number }>, input: ColumnInput, column: string): Data => {
  let flat: ColumnInput = input;
  if (!isNumeric(input)) {
    const rows = rowsOf(input, kind, column);
    rows.forEach((row, i) => {
      const { length } = row as ArrayLike<number>;
      if (length !== kind.size) {
        throw new ShapeError(
          `${column} row ${i}: expected ${kind.size} values (${describeKind(kind)}), got ${length}; resize the row first`,
        );
      }
    });
    flat = flatten(rows, kind.fixedList, column);
  }
  const child = primitiveData(kind.fixedList, flat, column);
  if (child.length % kind.size !== 0) {
    throw new ShapeError(
      `${column}: expected a multiple of ${kind.size} values (${describeKind(kind)}), got ${child.length}; give whole rows`,
    );
  }
  return makeColumn(kind, { length: child.length / kind.size, child });
};

const listData = (
  kind: Extract<FieldKind, { list: FieldKind }>,
  input: ColumnInput,
  column: string,
): Data => {
  let valueOffsets: Int32Array;
  let child: Data;
  if (!Array.isArray(input) && typeof input === 'object' && 'offsets' in input) {
    valueOffsets = input.offsets;
    child = columnData(kind.list, input.values, column);
    const last = valueOffsets.at(-1);
    const rising = valueOffsets.every((offset, i) => offset >= (i === 0 ? 0 : (valueOffsets[i - 1] ?? 0)));
    if (last === undefined || !rising || last > child.length) {
      throw new ShapeError(
        `${column}: expected rising offsets (rows + 1 of them) up to the ${child.length} values, got a last offset of ` +
          `${String(last)}; check how the offsets were summed`,
      );
    }
  } else {
    const rows = rowsOf(input, kind, column);
    valueOffsets = offsetsOf(
      rows.map((row) => (row as ArrayLike<unknown>).length),
      rows.length,
      column,
    );
    child = columnData(kind.list, flatten(rows, kind.list, column), column);
  }
  return makeColumn(kind, { length: valueOffsets.length - 1, valueOffsets, child });
};

/** Arrow data of one column. @throws ShapeError naming the column, what was expected and what came */
export const columnData = (kind: FieldKind, input: ColumnInput, column: string): Data => {
  if (kind === 'utf8' || kind === 'binary') return bytesData(kind, input, column);
  if (isPrimitive(kind)) return primitiveData(kind, input, column);
  if ('list' in kind) return listData(kind, input, column);
  return fixedData(kind, input, column);
};

/**
 * A record batch from values by column name. Typed arrays are borrowed, not copied: do not write to them later.
 * @throws ConfigError for missing or unknown columns; ShapeError for wrong types and unequal lengths
 */
export const buildBatch = <F extends Fields>(schema: TypedSchema<F>, given: ColumnsOf<F>): RecordBatch => {
  const columns = given as Readonly<Record<string, ColumnInput>>;
  const fields = schemaFields(schema);
  const names = Object.keys(fields);
  for (const name of [...names, ...Object.keys(columns)]) {
    if (ownValue(fields, name) !== undefined && ownValue(columns, name) !== undefined) continue;
    const problem =
      ownValue(fields, name) === undefined ? `unknown column "${name}"` : `missing column "${name}"`;
    throw new ConfigError(
      `batch: ${problem}; expected ${names.join(', ')}, got ${Object.keys(columns).join(', ') || '(none)'}`,
      { code: 'columns', fields: { column: name } },
    );
  }
  const children = names.map((name) =>
    columnData(
      ownValue(fields, name) as FieldKind,
      ownValue(columns, name) as ColumnInput,
      `batch: column "${name}"`,
    ),
  );
  const length = children[0]?.length ?? 0;
  children.forEach((child, i) => {
    if (child.length === length) return;
    throw new ShapeError(
      `batch: expected ${length} rows in each column (as in "${names[0] ?? ''}"), got ${child.length} in "${names[i] ?? ''}"; ` +
        'give every column the same number of rows',
    );
  });
  return assembleBatch(schema, children, length);
};
