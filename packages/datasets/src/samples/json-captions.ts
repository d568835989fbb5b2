/** Texts and labels in JSON that other programs wrote: which keys hold them, and what else may stand there. */
import { excerpt } from '@polygate/core';

/** Why something can't be used, as a fault has it. */
export interface CaptionProblem {
  readonly code: string;
  readonly reason: string;
}

export type JsonFields = Readonly<Record<string, unknown>>;

export const isJsonFields = (value: unknown): value is JsonFields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The first of the keys that holds something: a column that is null or missing gives way to the next. */
export const firstField = (fields: JsonFields, keys: readonly string[]): unknown =>
  keys
    .map((key) => (Object.hasOwn(fields, key) ? fields[key] : undefined))
    .find((value) => value !== undefined && value !== null);

const textKeys = ['texts', 'captions', 'text', 'caption'] as const;

const innerKeys = ['caption', 'text', 'raw'] as const;

/**
 * A caption, as text or as `{ caption | text | raw: text }`; empty where null stands for it; undefined where it is of another
 * type.
 */
const textOf = (value: unknown): string | undefined => {
  if (value === null) return '';
  if (typeof value === 'string') return value.trim();
  if (!isJsonFields(value)) return undefined;
  const inner = firstField(value, innerKeys);
  if (inner === undefined) return innerKeys.some((key) => Object.hasOwn(value, key)) ? '' : undefined;
  return typeof inner === 'string' ? inner.trim() : undefined;
};

/**
 * Captions of a row under the first of `keys` that holds something; an empty list where it has none of these. Of several, an
 * empty one stays in its place: it is left out and told of where the others are taken, as a line of a table is.
 */
export const captionsOfFields = (
  fields: JsonFields,
  keys: readonly string[] = textKeys,
): readonly string[] | CaptionProblem => {
  const value = firstField(fields, keys);
  if (value === undefined) {
    const named = keys.find((key) => Object.hasOwn(fields, key));
    return named === undefined
      ? []
      : { code: 'no-caption', reason: `expected a text "${named}", got ${excerpt(fields[named])}` };
  }
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const texts = list.map(textOf);
  const bad = texts.indexOf(undefined);
  if (bad >= 0)
    return { code: 'bad-text', reason: `expected a text or a list of texts, got ${excerpt(list[bad])}` };
  if (texts.every((text) => text === ''))
    return {
      code: 'empty-caption',
      reason: `expected a caption, got ${texts.length === 0 ? 'an empty list' : list[0] === null ? 'null' : 'an empty text'}`,
    };
  return texts as string[];
};

/** Captions of a JSON document beside an image. */
export const captionsOfJson = (document: unknown): readonly string[] | CaptionProblem => {
  const list = Array.isArray(document) || typeof document === 'string' ? { texts: document } : document;
  if (!isJsonFields(list))
    return { code: 'bad-json', reason: `expected a JSON object, got ${excerpt(document)}` };
  const texts = captionsOfFields(list);
  return 'code' in texts || texts.length > 0
    ? texts
    : {
        code: 'no-caption',
        reason: `expected "caption", "text" or a list of them, got the keys ${excerpt(Object.keys(list))}`,
      };
};
