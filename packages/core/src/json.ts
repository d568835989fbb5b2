/** Reads JSON that other programs wrote, and shows values in error texts, both with bounds. */
import { defaultBudgets, overBudget } from './budgets.ts';
import { FormatError } from './errors.ts';
import { jsonFault } from './json-fault.ts';

/** Levels of arrays and objects that JSON may have; files of training data have a handful. */
export const MAX_JSON_DEPTH = 128;

export interface ParseJsonOptions {
  /** What the reader of the error should do. @default 'mend the file or write it again' */
  readonly remedy?: string;
  /** Levels of nesting that are read. @default {@link MAX_JSON_DEPTH} */
  readonly maxDepth?: number;
  /** Memory that the text and its value may take. @default that of the budgets */
  readonly jsonBytes?: number;
  /**
   * What the bare words NaN, Infinity and -Infinity are, which Python's `json` writes and JSON does not have: an error,
   * or null. @default 'refuse'
   */
  readonly nonFinite?: 'refuse' | 'null';
  /** Number of the text's first line in its file, for the place of a fault. @default 1 */
  readonly line?: number;
}

/** Memory of a parsed value beside its text: an object with a key of its own takes some 100 bytes, a number 8. */
const VALUE_BYTES = 64;
/** Memory of a character: one byte in the text, one in the value where it is a text. */
const CHARACTER_BYTES = 2;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const textOf = (source: string | Uint8Array, what: string, remedy: string): string => {
  if (typeof source === 'string') return source;
  const [a, b] = source;
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) {
    throw new FormatError(`${what}: expected JSON in UTF-8, got UTF-16; save it as UTF-8`, {
      code: 'encoding',
    });
  }
  try {
    return utf8.decode(source);
  } catch (cause) {
    throw new FormatError(`${what}: expected JSON in UTF-8, got other bytes; ${remedy}`, {
      code: 'encoding',
      cause,
    });
  }
};

/** Deepest nesting of brackets outside of strings, and how many values there are; stops counting beyond `limit`. */
const measure = (text: string, limit: number): { readonly deepest: number; readonly values: number } => {
  let depth = 0;
  let deepest = 0;
  let values = 1;
  let quoted = false;
  for (let i = 0; i < text.length && deepest <= limit; i += 1) {
    const c = text.charCodeAt(i);
    if (quoted) {
      if (c === 92) i += 1;
      else if (c === 34) quoted = false;
    } else if (c === 34) quoted = true;
    else if (c === 44) values += 1;
    else if (c === 91 || c === 123) {
      values += 1;
      deepest = Math.max(deepest, (depth += 1));
    } else if (c === 93 || c === 125) depth -= 1;
  }
  return { deepest, values };
};

const nonFiniteWords = ['-Infinity', 'Infinity', 'NaN'] as const;

/** First bare NaN or Infinity at or behind `from`, outside of strings. */
const findNonFinite = (text: string, from: number): { at: number; word: string } | undefined => {
  let quoted = false;
  for (let at = from; at < text.length; at += 1) {
    const c = text.charCodeAt(at);
    if (quoted) {
      if (c === 92) at += 1;
      else if (c === 34) quoted = false;
    } else if (c === 34) quoted = true;
    else if (c === 78 || c === 73 || c === 45) {
      const word = nonFiniteWords.find((each) => text.startsWith(each, at));
      if (word !== undefined) return { at, word };
    }
  }
  return undefined;
};

const withNulls = (text: string): string => {
  const parts: string[] = [];
  let from = 0;
  for (let next = findNonFinite(text, 0); next; next = findNonFinite(text, from)) {
    parts.push(text.slice(from, next.at), 'null');
    from = next.at + next.word.length;
  }
  return parts.join('') + text.slice(from);
};

/** Numbers that Python and R write where JSON has none. */
const NOT_A_NUMBER = /^[+-]?(?:NaN|Inf(?:inity)?)$/iu;
/** Python's own spelling of texts and constants. */
const PYTHON = /^(?:'|(?:True|False|None)$)/u;

/** What is wrong with a text that is not JSON, from "got" on: its place, and the usual mistakes by name. */
const describeFault = (text: string, remedy: string, firstLine: number): string => {
  const fault = jsonFault(text);
  if (!fault) return `got ${excerpt(text)}; ${remedy}`;
  const { token, line, column } = fault;
  const where = `at ${firstLine + line - 1}:${column}`;
  if (NOT_A_NUMBER.test(token)) {
    return `got ${token} ${where}; write null there (Python: json.dumps(..., allow_nan=False) finds the places)`;
  }
  if (PYTHON.test(token))
    return `got ${excerpt(token)} ${where}; write it as JSON (Python: json.dumps, not str)`;
  if (token.startsWith(',') && text.trimEnd().endsWith(token))
    return `got a comma at the end, ${where}; leave it out`;
  return `got ${token === '' ? 'the end of the text' : excerpt(token)} ${where}; ${remedy}`;
};

/**
 * The value of a JSON text or of its UTF-8 bytes. A byte order mark in front is skipped (RFC 8259, section 8.1).
 * @param what the place that errors begin with, such as a path or `captions.jsonl:12`
 * @throws FormatError for other encodings, text that is not JSON, and nesting or size beyond the bounds
 */
export const parseJson = (
  source: string | Uint8Array,
  what: string,
  options: ParseJsonOptions = {},
): unknown => {
  const { remedy = 'mend the file or write it again', maxDepth = MAX_JSON_DEPTH } = options;
  const { jsonBytes = defaultBudgets.jsonBytes } = options;
  const refuseSize = (bytes: number): void => {
    if (bytes <= jsonBytes) return;
    throw new FormatError(`${what}: ${overBudget('jsonBytes', jsonBytes, bytes)}`, {
      code: 'json-size',
      fields: { bytes, jsonBytes },
    });
  };
  refuseSize(CHARACTER_BYTES * source.length);
  const marked = textOf(source, what, remedy);
  const text = marked.charCodeAt(0) === 0xfeff ? marked.slice(1) : marked;
  const { deepest, values } = measure(text, maxDepth);
  if (deepest > maxDepth) {
    throw new FormatError(
      `${what}: expected at most ${maxDepth} levels of nesting in JSON, got more; ${remedy}`,
      { code: 'json-depth', fields: { maxDepth } },
    );
  }
  refuseSize(CHARACTER_BYTES * text.length + VALUE_BYTES * values);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    if (options.nonFinite === 'null' && findNonFinite(text, 0)) {
      return parseJson(withNulls(text), what, { ...options, nonFinite: 'refuse' });
    }
    throw new FormatError(`${what}: expected JSON, ${describeFault(text, remedy, options.line ?? 1)}`, {
      code: 'json',
      cause,
    });
  }
};

const MAX_EXCERPT_ENTRIES = 8;

const shorten = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length)}…`;

const write = (value: unknown, levels: number, length: number): string => {
  if (typeof value === 'string') return JSON.stringify(shorten(value, length));
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function' || typeof value === 'symbol') return typeof value;
  if (value === undefined) return 'nothing';
  if (typeof value !== 'object' || value === null) return String(value);
  if (value instanceof Promise) return 'a promise';
  const isArray = Array.isArray(value);
  if (levels === 0) return isArray ? '[…]' : '{…}';
  const entries = isArray ? (value as unknown[]) : Object.entries(value);
  const parts = entries
    .slice(0, MAX_EXCERPT_ENTRIES)
    .map((entry) =>
      isArray
        ? write(entry, levels - 1, length)
        : `${JSON.stringify((entry as [string, unknown])[0])}:${write((entry as [string, unknown])[1], levels - 1, length)}`,
    );
  if (entries.length > MAX_EXCERPT_ENTRIES) parts.push('…');
  return isArray ? `[${parts.join(',')}]` : `{${parts.join(',')}}`;
};

/**
 * A value of any depth and size as one short line for an error text: JSON where it is small, cut by `…` where not.
 * @param length characters of the line, at most. @default 80
 */
export const excerpt = (value: unknown, length = 80): string => {
  const line = write(value, 3, length);
  return line.length <= length + 3 ? line : `${line.slice(0, length)}…`;
};
