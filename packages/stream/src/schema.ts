/** Schemas of streams: named fields of known kinds plus text metadata, and how two of them are compared. */
import { Field, Schema } from 'apache-arrow';
import { ConfigError, unknownName } from '@polygate/core';
import { arrowType, describeKind, type FieldKind, kindOfType, parseKind } from './kinds.ts';

/** Field kinds by column name, in column order. */
export type Fields = Readonly<Record<string, FieldKind>>;

declare const kindsOfColumns: unique symbol;

/** A schema whose columns the compiler knows; any other schema is one with unknown columns. */
export type TypedSchema<F extends Fields = Fields> = Schema & { readonly [kindsOfColumns]?: F };

/** Version of the column and metadata conventions, stored as `polygate.version`. */
export const SCHEMA_VERSION = 1;
/** Metadata key of {@link SCHEMA_VERSION}. */
export const VERSION_KEY = 'polygate.version';
/** Most columns of one schema. */
export const MAX_COLUMNS = 1024;

/**
 * A schema from kinds by column name, whose type keeps them; all fields are non-nullable. `polygate.version` is added to the metadata
 * unless it is given. @throws ConfigError for unknown kinds and for no or too many columns
 */
export const defineSchema = <const F extends Fields>(
  fields: F,
  metadata: Readonly<Record<string, string>> = {},
): TypedSchema<F> => {
  const names = Object.keys(fields);
  if (names.length === 0 || names.length > MAX_COLUMNS) {
    throw new ConfigError(
      `schema: expected 1 to ${MAX_COLUMNS} columns, got ${names.length}; name the columns as keys of the fields`,
    );
  }
  const built = names.map((name) => {
    const kind = parseKind(fields[name], `schema: column "${name}"`);
    return new Field(name, arrowType(kind), false);
  });
  const pairs = Object.entries({ [VERSION_KEY]: String(SCHEMA_VERSION), ...metadata });
  return new Schema(built, new Map(pairs));
};

/** The kinds of a schema's columns. @throws ConfigError naming a column whose Arrow type streams don't carry */
export const schemaFields = (schema: Schema): Fields => {
  const fields: [name: string, kind: FieldKind][] = [];
  for (const field of schema.fields) {
    const kind = kindOfType(field.type);
    if (kind === undefined) {
      throw new ConfigError(
        `schema: column "${field.name}" has the Arrow type ${String(field.type)}, which streams do not carry; ` +
          'cast it to numbers, utf8, binary or lists of these',
        { code: 'unknown-kind', fields: { column: field.name } },
      );
    }
    fields.push([field.name, kind]);
  }
  return Object.fromEntries(fields);
};

/** A schema's metadata as a plain record. */
export const schemaMetadata = (schema: Schema): Readonly<Record<string, string>> =>
  Object.fromEntries(schema.metadata);

/** Index of a column. @throws ConfigError naming the missing column and the known ones */
export const columnIndex = (schema: Schema, name: string): number => {
  const index = schema.fields.findIndex((field) => field.name === name);
  if (index < 0) {
    throw unknownName(
      'column',
      name,
      schema.fields.map((field) => field.name),
    );
  }
  return index;
};

const describeField = (field: Field | undefined): string => {
  if (field === undefined) return '(no column)';
  const kind = kindOfType(field.type);
  const type = kind === undefined ? String(field.type) : describeKind(kind);
  return `${field.name}: ${type}${field.nullable ? ' nullable' : ''}`;
};

/** First difference between the columns of two schemas (names, order, kinds, nullability), or undefined. */
export const schemaDifference = (expected: Schema, got: Schema): string | undefined => {
  if (expected === got) return undefined;
  const count = Math.max(expected.fields.length, got.fields.length);
  for (let i = 0; i < count; i += 1) {
    const left = describeField(expected.fields[i]);
    const right = describeField(got.fields[i]);
    if (left !== right) return `column ${i}: expected "${left}", got "${right}"`;
  }
  return undefined;
};
