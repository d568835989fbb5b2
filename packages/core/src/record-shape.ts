/**
 * What the fields of a record must be, as values: the shape of a kind of record stands beside its type, and is what records
 * of others are held to, which may be plain JavaScript. A shape is checked when a record is registered; what its functions
 * give is checked when they are called, see record-guard.ts.
 */
import { ConfigError } from './errors.ts';
import { excerpt } from './json.ts';

/** A value that is not as it should be. */
export interface Misfit {
  /** From the value that is checked: `segments.0.modality`; empty for itself. */
  readonly path: string;
  /** In words, behind "expected": `a function`. */
  readonly expected: string;
  readonly got: unknown;
}

/** What a value must be. */
export interface Rule {
  (value: unknown, path?: string): Misfit | undefined;
  /** Of a function of an owner: the rule of what it gives, of an asynchronous one what that is in the end. */
  readonly gives?: (args: readonly unknown[], owner: object) => Rule;
  /** Of a function: whether nobody waits for what it gives, so that a promise of it is refused. */
  readonly atOnce?: boolean;
  /** Of a function: what a call is about, as errors show it between the brackets of the call. */
  readonly subject?: (args: readonly unknown[]) => string;
  /** Of a record: its fields. */
  readonly fields?: RuleFields;
  /** Of a list: each of its entries. */
  readonly entries?: Rule;
  /** Of what is iterated over: each that comes of it. */
  readonly items?: Rule;
}

/** Rules by field. */
export type RuleFields = Readonly<Record<string, Rule>>;

/** A rule for each field of a record type beside its name and summary, which every registry checks. */
export type RecordShape<R> = { readonly [K in Exclude<keyof R, 'name' | 'summary'>]-?: Rule };

/** Longest list of numbers that is looked through for what is not finite. */
const MOST_LOOKED_AT = 2 ** 24;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const at = (path: string, key: string | number): string => (path === '' ? String(key) : `${path}.${key}`);

/** A rule of a kind of its own. @param expected in words: `a function` */
export const ruleOf =
  (expected: string, fits: (value: unknown) => boolean): Rule =>
  (value, path = '') =>
    fits(value) ? undefined : { path, expected, got: value };

/** The first that is wrong of the entries of a list or record. */
const eachEntry = (
  entries: Iterable<readonly [string | number, unknown]>,
  one: Rule,
  path: string,
): Misfit | undefined => {
  for (const [key, entry] of entries) {
    const misfit = one(entry, at(path, key));
    if (misfit) return misfit;
  }
  return undefined;
};

const isSchema = (value: unknown): boolean =>
  isRecord(value) && typeof (value as { readonly safeParse?: unknown }).safeParse === 'function';

const takesNothing = (schema: unknown): boolean =>
  (schema as { safeParse(value: unknown): { readonly success: boolean } }).safeParse(undefined).success;

const json: Rule = (value, path = '') => {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined;
  if (typeof value === 'number') return rules.number(value, path);
  if (Array.isArray(value)) return eachEntry((value as unknown[]).entries(), json, path);
  const isPlain =
    isRecord(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value) as object);
  if (!isPlain) return { path, expected: 'what JSON can hold', got: value };
  // A key without a value is left out of JSON.
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return eachEntry(entries, json, path);
};

/** The rules that shapes are made of. */
export const rules = Object.freeze({
  any: ruleOf('anything', () => true),
  text: ruleOf('a text that is not empty', (value) => typeof value === 'string' && value !== ''),
  flag: ruleOf('true or false', (value) => typeof value === 'boolean'),
  number: ruleOf('a finite number', (value) => Number.isFinite(value)),
  amount: ruleOf('a finite number of 0 or more', (value) => Number.isFinite(value) && (value as number) >= 0),
  count: ruleOf(
    'a whole number of 0 or more',
    (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  ),
  function: ruleOf('a function', (value) => typeof value === 'function'),
  record: ruleOf('an object', isRecord),
  list: ruleOf('a list', Array.isArray),
  /** A zod object. */
  schema: ruleOf('a zod schema', isSchema),
  /** What JSON can hold, so that it comes back from a file as it was. */
  json,
  /** Numbers of a typed array, all finite. */
  finiteValues: ruleOf(
    'a typed array of finite numbers',
    (value) =>
      ArrayBuffer.isView(value) &&
      !(value instanceof DataView) &&
      (value as Float32Array).subarray(0, MOST_LOOKED_AT).every(Number.isFinite),
  ),
});

/** One of some words. */
export const oneOf = (...words: readonly string[]): Rule =>
  ruleOf(words.map((word) => `"${word}"`).join(' or '), (value) => words.includes(value as string));

/** A value that may be left out. */
export const optional = (inner: Rule): Rule =>
  Object.assign(
    (value: unknown, path = '') => (value === undefined ? undefined : inner(value, path)),
    inner.gives ? { gives: inner.gives } : {},
    inner.subject ? { subject: inner.subject } : {},
    inner.atOnce ? { atOnce: inner.atOnce } : {},
    inner.fields ? { fields: inner.fields } : {},
    inner.entries ? { entries: inner.entries } : {},
    inner.items ? { items: inner.items } : {},
  );

/** A list of which every entry fits. @param least fewest entries */
export const listOf = (inner: Rule, least = 0): Rule =>
  Object.assign(
    (value: unknown, path = '') => {
      if (!Array.isArray(value) || value.length < least) {
        const expected = least > 0 ? `a list of at least ${least}` : 'a list';
        return { path, expected, got: value };
      }
      return eachEntry((value as unknown[]).entries(), inner, path);
    },
    { entries: inner },
  );

/** What is iterated over, asynchronously or not; each that comes of it is checked when it comes. */
export const streamOf = (items: Rule): Rule =>
  Object.assign(
    ruleOf('what is iterated over', (value) => {
      const { [Symbol.asyncIterator]: later, [Symbol.iterator]: now } = Object(value) as Partial<
        AsyncIterable<unknown> & Iterable<unknown>
      >;
      return typeof value === 'object' && typeof (later ?? now) === 'function';
    }),
    { items },
  );

/** A record of any keys of which every value fits. */
export const recordOf =
  (inner: Rule): Rule =>
  (value, path = '') =>
    isRecord(value)
      ? eachEntry(Object.entries(value), inner, path)
      : { path, expected: 'an object', got: value };

/** A record with given fields; others are nobody's business. */
export const shaped = (fields: RuleFields): Rule =>
  Object.assign(
    (value: unknown, path = ''): Misfit | undefined => {
      const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
      if (!isObject) return { path, expected: 'an object', got: value };
      const values = value as Readonly<Record<string, unknown>>;
      for (const [key, inner] of Object.entries(fields)) {
        const misfit = inner(values[key], at(path, key));
        if (misfit) return misfit;
      }
      return undefined;
    },
    { fields },
  );

/** Either of two. @param expected both, in words */
export const eitherOf = (expected: string, ...choices: readonly Rule[]): Rule =>
  ruleOf(expected, (value) => choices.some((choice) => choice(value) === undefined));

/**
 * A function; what it gives is checked at every call.
 * @param gives its rule. @default anything
 */
export const call = (gives: Rule = rules.any): Rule => callWith(() => gives);

/**
 * A function that gives something at once, as nobody waits for it: a promise is refused. What it gives is checked at every
 * call.
 * @param gives its rule. @default anything
 */
export const callNow = (gives: Rule = rules.any): Rule => callWith(() => gives, { atOnce: true });

/**
 * A function; what it gives is checked at every call by a rule that follows from what it is given, and whose it is.
 * @param options `subject`: what a call is about, @default nothing is said of it; `atOnce`: whether nobody waits for it
 */
export const callWith = (
  gives: NonNullable<Rule['gives']>,
  options: Pick<Rule, 'subject' | 'atOnce'> = {},
): Rule =>
  Object.assign((value: unknown, path?: string) => rules.function(value, path), { gives, ...options });

/** Fields of a zod object. @param options `defaults`: whether every one has a default or is optional */
export const settingShape =
  ({ defaults = false }: { readonly defaults?: boolean } = {}): Rule =>
  (value, path = '') => {
    const misfit = recordOf(rules.schema)(value, path);
    if (misfit || !defaults) return misfit;
    const bare = ruleOf('a zod schema with a default, or an optional one', takesNothing);
    return recordOf(bare)(value, path);
  };

/**
 * Holds a value to a rule.
 * @param what begins the error: `registerTaskFamily: the record "toy"`; a function is called where there is one
 * @throws ConfigError (code `record`) naming the field, what it should be and what it is
 */
export const requireFit = (inner: Rule, value: unknown, what: string | (() => string)): void => {
  const misfit = inner(value);
  if (!misfit) return;
  const { path, expected, got } = misfit;
  const field = path === '' ? '' : ` as "${path}"`;
  const start = typeof what === 'string' ? what : what();
  throw new ConfigError(`${start}: expected ${expected}${field}, got ${excerpt(got)}; correct the record`, {
    code: 'record',
    fields: { path },
  });
};
