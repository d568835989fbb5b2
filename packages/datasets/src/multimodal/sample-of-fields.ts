/** One sample by values, for predictions: fields are inputs, or columns of the table that the model was trained on. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { excerpt, FormatError } from '@polygate/core';
import type { StoredInput, TableColumn } from '@polygate/stream';
import { cellText } from '../tables/cell-text.ts';
import type { JsonFields } from '../samples/json-captions.ts';
import type { SampleContent } from '../samples/sample.ts';
import { contentOfArrays } from './array-content.ts';
import { isMissing, numberOf, rowNumbers } from './table-columns.ts';

export interface FieldOptions {
  /** The sample, in errors. */
  readonly name: string;
  /** Folder that paths count from. */
  readonly folder: string;
  /** Whether fields of other names are passed over; else they are refused. @default false */
  readonly others?: boolean;
  /** Told of a text that is none of the categories of a column, and counts as missing. */
  readonly onNew?: (column: string, text: string) => void;
}

/** What fields may be called: inputs by name or by the column that they were read from, and the columns of tables. */
const targetsOf = (
  inputs: Readonly<Record<string, StoredInput>>,
): { readonly inputs: ReadonlyMap<string, string>; readonly columns: ReadonlyMap<string, string> } => {
  const byField = new Map<string, string>();
  const byColumn = new Map<string, string>();
  for (const [input, { column, columns = [] }] of Object.entries(inputs)) {
    byField.set(input, input);
    if (column !== undefined) byField.set(column, input);
    for (const { name } of columns) byColumn.set(name, input);
  }
  return { inputs: byField, columns: byColumn };
};

/** Names that fields of a sample may have. */
export const fieldNames = (inputs: Readonly<Record<string, StoredInput>>): readonly string[] =>
  Object.entries(inputs).flatMap(([name, { column, columns }]) =>
    columns ? columns.map((each) => each.name) : [column ?? name],
  );

/** Numbers in nested lists, row-major, with their axes; null is a gap. Undefined for other values and uneven lists. */
const arrayOf = (
  value: unknown,
): { readonly values: readonly number[]; readonly shape: readonly number[] } | undefined => {
  if (typeof value === 'number') return { values: [value], shape: [] };
  if (value === null) return { values: [Number.NaN], shape: [] };
  if (!Array.isArray(value)) return undefined;
  const parts = value.map(arrayOf);
  const [first] = parts;
  const shape = first?.shape ?? [];
  const values: number[] = [];
  for (const part of parts) {
    if (part?.shape.length !== shape.length || part.shape.some((side, axis) => side !== shape[axis]))
      return undefined;
    for (const number of part.values) values.push(number);
  }
  return { values, shape: [value.length, ...shape] };
};

const bad = ({ name }: FieldOptions, field: string, expected: string, value: unknown): FormatError =>
  new FormatError(`sample ${name}: expected ${expected} for "${field}", got ${excerpt(value)}`, {
    code: 'sample',
    fields: { field },
  });

/** The content of an input that a field gives whole. */
const contentOf = async (
  value: unknown,
  {
    field,
    stored,
    options,
  }: { readonly field: string; readonly stored: StoredInput; readonly options: FieldOptions },
): Promise<SampleContent> => {
  const { form } = stored;
  const text = typeof value === 'string' ? value.trim() : undefined;
  if (form === 'text') {
    if (text === undefined) throw bad(options, field, 'a text', value);
    return { kind: 'bytes', bytes: new TextEncoder().encode(text) };
  }
  const path = text === undefined ? undefined : resolve(options.folder, text);
  if (path !== undefined && !(await stat(path).catch(() => undefined)))
    throw new FormatError(
      `sample ${options.name}: expected the file of "${field}" to be there, got nothing at ${path}; correct the path, or the folder that it counts from (--files)`,
      { code: 'sample', fields: { field } },
    );
  if (path !== undefined)
    return form === 'values' ? contentOfArrays(path, field, stored) : { kind: 'path', path };
  const array = form === 'audio' ? undefined : arrayOf(value);
  if (!array)
    throw bad(
      options,
      field,
      form === 'audio' ? 'the path of a recording' : 'numbers in lists of one length, or a path',
      value,
    );
  const { values, shape } = array;
  return { kind: 'values', values: Float64Array.from(values), shape: shape.length === 0 ? [1] : shape };
};

/** Numbers of the columns of a table. @throws FormatError for text where the model has a number */
const rowContent = (
  columns: readonly TableColumn[],
  cells: ReadonlyMap<string, string>,
  options: FieldOptions,
): SampleContent | undefined => {
  const texts = columns.map(({ name }) => cells.get(name) ?? '');
  const values = rowNumbers(columns, texts);
  for (const [at, column] of columns.entries()) {
    const text = texts[at] ?? '';
    if (!Number.isNaN(values[at]) || isMissing(text)) continue;
    if (column.kind === 'number' && numberOf(text) === undefined)
      throw bad(options, column.name, 'a number', text);
    options.onNew?.(column.name, text);
  }
  return values.every(Number.isNaN) ? undefined : { kind: 'values', values, shape: [values.length] };
};

/**
 * The contents of a sample by input. Values are numbers, lists of numbers (null for a gap), texts, or paths of recordings,
 * images and arrays; what is null, or left out, is missing.
 * @throws FormatError for fields that the model has no input of, and values that are none of theirs
 */
export const sampleOfFields = async (
  fields: JsonFields,
  inputs: Readonly<Record<string, StoredInput>>,
  options: FieldOptions,
): Promise<Readonly<Record<string, SampleContent>>> => {
  const targets = targetsOf(inputs);
  const contents: Record<string, SampleContent> = {};
  const cells = new Map<string, string>();
  for (const [field, value] of Object.entries(fields)) {
    const input = targets.inputs.get(field);
    // A table may have a column that is called as an input is.
    const isCell = targets.columns.has(field) && !Array.isArray(value);
    if (isCell) cells.set(field, cellText(value));
    else if (input !== undefined) {
      const stored = inputs[input] as StoredInput;
      const isAbsent = value === null || (typeof value === 'string' && isMissing(value));
      if (!isAbsent) contents[input] = await contentOf(value, { field, stored, options });
    } else if (options.others !== true) {
      throw new FormatError(
        `sample ${options.name}: expected fields among ${excerpt(fieldNames(inputs), 400)}, got "${field}"; correct its name, or leave it out`,
        { code: 'sample', fields: { field } },
      );
    }
  }
  for (const [input, { columns }] of Object.entries(inputs)) {
    const content =
      columns && contents[input] === undefined ? rowContent(columns, cells, options) : undefined;
    if (content) contents[input] = content;
  }
  if (Object.keys(contents).length > 0) return contents;
  throw new FormatError(
    `sample ${options.name}: expected a value for one of ${excerpt(fieldNames(inputs), 400)}, got none`,
    { code: 'sample' },
  );
};
