/** Checks of the fields of an encoder's configuration that may come from a file: what TypeScript can't promise there. */
import { ConfigError, excerpt, unknownName } from '@polygate/core';

/** What a field holds. All fields may be absent; where one is needed, its own check says so. */
export type FieldType = 'number' | 'boolean' | 'text' | 'texts' | 'object' | 'list';

const nouns: Readonly<Record<FieldType, string>> = {
  number: 'a number',
  boolean: 'true or false',
  text: 'a text',
  texts: 'a list of texts',
  object: 'an object',
  list: 'a list',
};

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const holds: Readonly<Record<FieldType, (value: unknown) => boolean>> = {
  number: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  text: (value) => typeof value === 'string',
  texts: (value) => Array.isArray(value) && value.every((each) => typeof each === 'string'),
  object: isObject,
  list: Array.isArray,
};

/** What a field of that name may be. */
type Fields = Readonly<Record<string, FieldType>>;

/** Checks an object and its fields, of which some may be absent. @throws ConfigError for the first that is something else */
const checkRecord = (
  value: unknown,
  path: string,
  { fields, isOptional }: { readonly fields: Fields; readonly isOptional: boolean },
): void => {
  const refuse = (field: string, type: FieldType, got: unknown): never => {
    throw new ConfigError(
      `encoder: expected ${field} to be ${nouns[type]}, got ${excerpt(got)}; write the configuration anew`,
      { code: 'encoder-config', fields: { field, got } },
    );
  };
  if (!isObject(value)) refuse(path === '' ? 'the configuration' : path, 'object', value);
  const record = value as Readonly<Record<string, unknown>>;
  for (const [name, type] of Object.entries(fields)) {
    const got = Object.hasOwn(record, name) ? record[name] : undefined;
    if (got === undefined && isOptional) continue;
    if (!holds[type](got)) refuse(path === '' ? name : `${path}.${name}`, type, got);
  }
};

/**
 * Checks an object and those of its fields that are there; others pass.
 * @param path what errors call it; empty for the whole configuration
 * @throws ConfigError naming the field, what it expects and what it got
 */
export const checkFields = (value: unknown, path: string, fields: Fields): void =>
  checkRecord(value, path, { fields, isOptional: true });

/** As {@link checkFields}, of fields that must be there. @throws ConfigError naming the field, what it expects and what it got */
export const checkAllFields = (value: unknown, path: string, fields: Fields): void =>
  checkRecord(value, path, { fields, isOptional: false });

/**
 * Refuses settings of other names: a word that is misspelt would change nothing, without a word.
 * @throws ConfigError listing the known names
 */
export const checkKeys = (value: object, path: string, names: readonly string[]): void => {
  const other = Object.keys(value).find((key) => !names.includes(key));
  if (other !== undefined) throw unknownName(`setting of ${path}`, other, names);
};

/** Characters of a text in an error. */
const MAX_SHOWN = 120;

/** @throws ConfigError naming the field, what it expects and what it got */
export const check = (
  ok: boolean,
  field: string,
  rest: readonly [expectation: string, got: unknown],
): void => {
  const [expectation, got] = rest;
  if (ok) return;
  // Texts are words of ours or names; they need no quotes.
  const shown = typeof got === 'string' ? got.slice(0, MAX_SHOWN) : excerpt(got);
  throw new ConfigError(`encoder: expected ${field} ${expectation}, got ${shown}`, {
    fields: { field, got },
  });
};

/** @throws ConfigError for a fraction, or a value outside of the bounds */
export const checkWhole = (
  field: string,
  value: number,
  { least = 1, most }: { readonly least?: number; readonly most: number },
): void =>
  check(Number.isInteger(value) && value >= least && value <= most, field, [
    `to be a whole number of ${least} to ${most}`,
    value,
  ]);
