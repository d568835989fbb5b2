/** Settings of a recipe: `path=value` from the command line, and the check of a whole record, both by its schema. */
import { ConfigError, unknownName } from './errors.ts';
import { excerpt } from './json.ts';
import {
  childOf,
  choicesOf,
  definitionOf,
  isOpen,
  isRecord,
  knownKeysAt,
  schemasAt,
  takesNull,
  wordsOf,
  type SchemaNode,
} from './setting-schema.ts';

interface SchemaIssue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[] | undefined;
  readonly discriminator?: string | undefined;
  /** Of a key: what is wrong with it. */
  readonly issues?: readonly { readonly message: string }[] | undefined;
  readonly maximum?: number | bigint | undefined;
  readonly minimum?: number | bigint | undefined;
  readonly inclusive?: boolean | undefined;
  readonly origin?: string | undefined;
  readonly format?: string | undefined;
  readonly expected?: string | undefined;
  /** Of a union: what each choice refuses. */
  readonly errors?: readonly (readonly SchemaIssue[])[] | undefined;
}

/** A zod schema of a record of settings. */
export interface SettingsSchema<T> extends SchemaNode {
  safeParse(
    input: unknown,
  ):
    | { readonly success: true; readonly data: T }
    | { readonly success: false; readonly error: { readonly issues: readonly SchemaIssue[] } };
}

/** Deepest path of a setting. */
const MAX_PATH = 16;
/** Longest setting that an error writes out in another form, characters. */
const MAX_ADVICE = 120;
const numberPattern = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/iu;

const withArticle = (noun: string): string => `${/^[aeiou]/u.test(noun) ? 'an' : 'a'} ${noun}`;

/** Types by the words of a person who writes settings. */
const nouns: ReadonlyMap<string, string> = new Map([
  ['string', 'text'],
  ['array', 'list'],
  ['record', 'object'],
]);

const describeChoice = (schema: SchemaNode): string => {
  const words = wordsOf(schema);
  if (words) return words.map((word) => JSON.stringify(word)).join(' or ');
  const { type } = definitionOf(schema);
  return type === 'boolean' ? 'true or false' : withArticle(nouns.get(type) ?? type);
};

const exampleOf = (types: ReadonlySet<string>): string => {
  if (types.has('object') || types.has('record')) return '{"key":1}';
  if (types.has('array')) return '["a","b"]';
  return types.has('boolean') ? 'true' : '0.001';
};

/** Text as JSON, or undefined (which JSON never is). */
const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

/** `\t` as a shell's single quotes leave it: one character that can't be typed. */
const unescaped = (text: string): string => (text === '\\t' ? '\t' : text);

/** Text becomes what the schema wants there; text for a text is taken as it stands. */
const typedValue = (text: string, schemas: readonly SchemaNode[], path: string): unknown => {
  const choices = schemas.flatMap(choicesOf);
  const types = new Set(choices.map((schema) => definitionOf(schema).type));
  const trimmed = text.trim();
  const refuse = (
    reason = `got ${excerpt(text)}; write it as JSON, for example ${path}=${exampleOf(types)}`,
  ) => {
    const words = [...new Set(choices.map(describeChoice))].join(' or ');
    return new ConfigError(`--set ${path}=${excerpt(text).slice(1, -1)}: expected ${words}, ${reason}`, {
      code: 'setting',
      fields: { path, value: text },
    });
  };
  if (trimmed === 'null' && schemas.some(takesNull)) return null;
  if ([...types].some(isOpen)) {
    const open = jsonOf(trimmed);
    return open === undefined ? unescaped(text) : open;
  }
  if (choices.some((schema) => wordsOf(schema)?.includes(trimmed))) return trimmed;
  // Where both are allowed, only text that the number would be written as is a number: 007 stays text.
  if (types.has('number') && numberPattern.test(trimmed)) {
    const number = Number(trimmed);
    if (!types.has('string') || String(number) === trimmed) return number;
  }
  if (types.has('boolean') && (trimmed === 'true' || trimmed === 'false')) return trimmed === 'true';
  const json = /^[[{]/u.test(trimmed) ? jsonOf(trimmed) : undefined;
  if (types.has('array') && Array.isArray(json)) return json;
  if ((types.has('object') || types.has('record')) && isRecord(json)) return json;
  if (types.has('string')) return unescaped(text);
  const elements = choices.flatMap((schema) => definitionOf(schema).element ?? []);
  if (elements.length > 0 && trimmed !== '' && !/^[[{"]/u.test(trimmed)) {
    if (text.includes(',') && text.length <= MAX_ADVICE) {
      const several = JSON.stringify(trimmed.split(',').map((word) => word.trim()));
      throw refuse(
        `got text with a comma; write ${path}=${several} for several or ${path}=${JSON.stringify([text])} for one`,
      );
    }
    return [typedValue(text, elements, path)];
  }
  // A word in place of another: the check of the whole record lists those that are allowed.
  if (choices.length > 0 && choices.every((schema) => wordsOf(schema) !== undefined)) return trimmed;
  throw refuse();
};

const withValue = (node: unknown, path: readonly string[], value: unknown): unknown => {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const child = withValue(childOf(node, key), rest, value);
  if (Array.isArray(node) && Number(key) <= node.length) {
    const list = [...(node as unknown[])];
    list[Number(key)] = child;
    return list;
  }
  return { ...(isRecord(node) ? node : {}), [key]: child };
};

/**
 * Lays settings such as `optimizer.learningRate=1e-3` or `sources.photos.images=1.10` over a record. Each value has
 * the type that the schema says: text is taken as it stands, a list of texts may be one word, all else is read as
 * JSON. The result is not checked yet; {@link checkSettings} does that.
 * @throws ConfigError for text that is not `path=value`, an unknown path (lists the known keys), or another type
 */
export const laySettings = (schema: SchemaNode, record: unknown, settings: readonly string[]): unknown => {
  let changed = record;
  for (const setting of settings) {
    const cut = setting.indexOf('=');
    const path = setting.slice(0, Math.max(0, cut)).trim().split('.');
    if (cut < 1 || path.includes('') || path.length > MAX_PATH) {
      throw new ConfigError(
        `--set: expected path=value such as ${exampleSetting(schema)}, got ${excerpt(setting)}`,
        { code: 'setting' },
      );
    }
    path.forEach((key, depth) => {
      const parent = path.slice(0, depth);
      if (schemasAt(schema, [...parent, key], changed).length > 0) return;
      const keys = knownKeysAt(schema, parent, changed).map((name) => [...parent, name].join('.'));
      throw unknownName('setting', path.slice(0, depth + 1).join('.'), keys);
    });
    const value = typedValue(setting.slice(cut + 1), schemasAt(schema, path, changed), path.join('.'));
    changed = withValue(changed, path, value);
  }
  return changed;
};

/** The first number inside a section of the schema, as `section.key=1`. */
const exampleSetting = (schema: SchemaNode): string => {
  for (const section of knownKeysAt(schema, [], {})) {
    for (const key of knownKeysAt(schema, [section], {})) {
      const types = schemasAt(schema, [section, key], {}).flatMap(choicesOf).map(definitionOf);
      if (types.some(({ type }) => type === 'number')) return `${section}.${key}=1`;
    }
  }
  return 'name=value';
};

/** Path of the first key `__proto__`, which a check of records would pass over without a word. */
const unusableKey = (value: unknown, depth = 0): readonly string[] | undefined => {
  if (typeof value !== 'object' || value === null || depth > MAX_PATH) return undefined;
  if (Object.hasOwn(value, '__proto__')) return ['__proto__'];
  for (const [key, child] of Object.entries(value)) {
    const unusable = unusableKey(child, depth + 1);
    if (unusable) return [key, ...unusable];
  }
  return undefined;
};

/** Codes of values of another type. */
const MISFITS: ReadonlySet<string> = new Set(['invalid_type', 'invalid_value']);

/** What the choice of a union says that takes the value's type, where one does; else the union's own issue. */
const innermost = (issue: SchemaIssue | undefined): SchemaIssue | undefined => {
  const inner = issue?.errors
    ?.map(([first]) => first)
    .find((first) => first && (first.path.length > 0 || !MISFITS.has(first.code)));
  return issue && inner ? innermost({ ...inner, path: [...issue.path, ...inner.path] }) : issue;
};

/** The bound that a number exceeds, or the type that is wanted, in words. */
const boundOf = (issue: SchemaIssue | undefined): string | undefined => {
  if (issue?.code === 'invalid_type' && issue.format !== undefined) return 'expected a whole number';
  if (issue?.code === 'invalid_type' && issue.expected === 'number') return 'expected a number';
  if (issue?.code === 'invalid_type' && issue.expected === 'array') return 'expected a list';
  if (issue?.origin !== 'number' && issue?.origin !== 'int') return undefined;
  if (issue.code === 'too_big') return `expected at most ${issue.maximum}`;
  if (issue.code !== 'too_small') return undefined;
  return `expected ${issue.inclusive === false ? 'a number above' : 'at least'} ${issue.minimum}`;
};

/**
 * A record checked against its schema, with its defaults filled in.
 * @param what the word that errors begin with, such as `prepare recipe`
 * @throws ConfigError naming the setting, what is allowed and what came; an unknown key lists the known ones
 */
export const checkSettings = <T>(schema: SettingsSchema<T>, input: unknown, what: string): T => {
  const unusable = unusableKey(input);
  if (unusable) {
    throw new ConfigError(
      `${what}: expected keys that entries can have, got "${unusable.join('.')}"; choose another name`,
      { code: 'recipe', fields: { path: unusable.join('.') } },
    );
  }
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const issue = innermost(result.error.issues[0]);
  const path = (issue?.path ?? []).map(String);
  const at = (keys: readonly string[]): string => keys.join('.');
  if (issue?.code === 'unrecognized_keys') {
    const allowed = knownKeysAt(schema, path, input).map((key) => at([...path, key]));
    throw unknownName(`${what} key`, at([...path, issue.keys?.[0] ?? '']), allowed);
  }
  if (issue?.code === 'invalid_key') {
    const [key = '', ...parent] = path.toReversed();
    const wanted = issue.issues?.[0]?.message ?? issue.message;
    const opening = parent.length > 0 ? `${at(parent.toReversed())}: ` : '';
    throw new ConfigError(`${what}: ${opening}a key: ${wanted}, got ${excerpt(key)}; rename it`, {
      code: 'recipe',
      fields: { path: at(path) },
    });
  }
  const got = path.reduce<unknown>(childOf, input);
  const schemas = schemasAt(schema, path, input);
  if (issue?.code === 'invalid_union' && issue.discriminator !== undefined) {
    const kinds = schemas.flatMap(choicesOf).flatMap((choice) => wordsOf(choice) ?? []);
    throw unknownName(issue.discriminator, typeof got === 'string' ? got : excerpt(got), kinds.map(String));
  }
  const expected =
    issue?.code === 'invalid_union'
      ? `expected ${[...new Set(schemas.flatMap(choicesOf).map(describeChoice))].join(' or ')}`
      : (boundOf(issue) ?? issue?.message ?? 'not a recipe');
  const prefix = path.length > 0 ? `${at(path)}: ` : '';
  const isText = schemas.flatMap(choicesOf).some((choice) => definitionOf(choice).type === 'string');
  const listWanted = issue?.code === 'invalid_type' && issue.expected === 'array';
  const remedy = listWanted
    ? `; write a list${typeof got === 'string' ? `, [${excerpt(got)}]` : ', [...]'}`
    : isText && (typeof got === 'number' || typeof got === 'boolean')
      ? `; a text is written in quotes, "${String(got)}"`
      : path.length > 0
        ? `; set it with --set ${at(path)}=VALUE`
        : '';
  const came = expected.includes(', got ') ? '' : `, got ${excerpt(got)}`;
  throw new ConfigError(`${what}: ${prefix}${expected}${came}${remedy}`, {
    code: 'recipe',
    fields: { path: at(path) },
  });
};
