/** Reads and writes `tokenizer.json`. What this package can't honour exactly is refused by name, never ignored. */
import { excerpt, FormatError, parseJson, StateError } from '@polygate/core';
import { readBytesSync, writeFileAtomic } from '@polygate/core/files';
import { bytesOfToken } from './byte-alphabet.ts';
import { maxVocabularySize } from './merge-rules.ts';
import { createTokenizer } from './tokenizer.ts';
import type { TokenizerModel } from './tokenizer-model.ts';
import type { Tokenizer } from './tokenizer.ts';
import { serializeTokenizer } from './tokenizer-json.ts';

export interface LoadTokenizerOptions {
  /** Hash that the tokenizer must have, as shards and checkpoints record it. @default no check */
  readonly expectedHash?: string;
}

/** Longest text of one token that a file may hold, in characters. */
const maxTokenLength = 65_536;
/** Largest file that is read, in bytes (a text's characters). */
const maxFileLength = 256 * 1024 * 1024;

type JsonObject = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const refuse = (part: string, expected: string, got: unknown): never => {
  throw new FormatError(
    `tokenizer.json: expected ${part} to be ${expected}, got ${excerpt(got, 60)}; ` +
      'use a byte-level BPE file, such as saveTokenizer writes',
    { code: 'tokenizer-format', fields: { place: part } },
  );
};

const objectAt = (value: unknown, part: string): JsonObject =>
  isObject(value) ? value : refuse(part, 'an object', value);

const arrayAt = (value: unknown, part: string): readonly unknown[] =>
  Array.isArray(value) ? (value as readonly unknown[]) : refuse(part, 'an array', value);

/** A setting that changes the encoding must be absent or have the one value that this package implements. */
const requireSetting = (holder: JsonObject, key: string, part: string, allowed: readonly unknown[]): void => {
  const value = holder[key];
  if (value !== undefined && !allowed.includes(value)) {
    refuse(`${part}.${key}`, allowed.map((one) => JSON.stringify(one)).join(' or '), value);
  }
};

const readTokens = (
  model: JsonObject,
  added: readonly unknown[],
): { tokens: string[]; specials: number[]; normalized: number[] } => {
  const tokens: string[] = [];
  const put = (id: unknown, token: string, part: string): number => {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= maxVocabularySize) {
      return refuse(part, `an integer id below ${maxVocabularySize}`, id);
    }
    if (token.length === 0 || token.length > maxTokenLength) {
      return refuse(part, `a token of 1 to ${maxTokenLength} characters`, token.length);
    }
    if (tokens[id] !== undefined && tokens[id] !== token) {
      return refuse(part, `the only token with id ${id} ("${tokens[id]}" has it too)`, token);
    }
    tokens[id] = token;
    return id;
  };
  const specials: number[] = [];
  const normalized: number[] = [];
  for (const [index, entry] of added.entries()) {
    const part = `added_tokens[${index}]`;
    const token = objectAt(entry, part);
    const { content } = token;
    if (typeof content !== 'string') return refuse(`${part}.content`, 'a text', content);
    for (const key of ['single_word', 'lstrip', 'rstrip']) requireSetting(token, key, part, [false]);
    requireSetting(token, 'normalized', part, [true, false]);
    const id = put(token['id'], content, part);
    specials.push(id);
    if (token['normalized'] === true) normalized.push(id);
  }
  const isSpecial = new Set(specials);
  for (const [token, id] of Object.entries(objectAt(model['vocab'], 'model.vocab'))) {
    const field = `model.vocab[${excerpt(token)}]`;
    const checked = put(id, token, field);
    if (!isSpecial.has(checked) && !bytesOfToken(token)) {
      refuse(field, 'spelt in the byte-level alphabet', token);
    }
  }
  for (let id = 0; id < tokens.length; id += 1) {
    if (tokens[id] === undefined)
      refuse('the ids', `0 to ${tokens.length - 1} without a gap`, `no token for ${id}`);
  }
  return { tokens, specials, normalized };
};

/** Merges without the line that old files begin with, `#version: 0.2`. */
const withoutVersion = (merges: readonly unknown[]): readonly unknown[] =>
  merges.filter((entry) => typeof entry !== 'string' || !entry.startsWith('#version'));

const readMerges = (model: JsonObject, ids: ReadonlyMap<string, number>): [number, number][] =>
  withoutVersion(arrayAt(model['merges'], 'model.merges')).map((entry, rank) => {
    const field = `model.merges[${rank}]`;
    const pair = typeof entry === 'string' ? entry.split(' ') : arrayAt(entry, field);
    const [left, right] = pair;
    if (pair.length !== 2 || typeof left !== 'string' || typeof right !== 'string') {
      return refuse(field, 'two tokens', entry);
    }
    const leftId = ids.get(left);
    const rightId = ids.get(right);
    if (leftId === undefined || rightId === undefined || !ids.has(left + right)) {
      return refuse(field, 'two tokens of the vocabulary that join to a third', entry);
    }
    return [leftId, rightId];
  });

/** The part itself, or the only one of a sequence; null for none. */
const onlyPart = (value: unknown, key: string): unknown => {
  if (!isObject(value) || value['type'] !== 'Sequence') return value ?? null;
  const parts = arrayAt(value[key], `a Sequence's ${key}`);
  return parts.length > 1 ? value : onlyPart(parts[0], key);
};

/** The model that a parsed `tokenizer.json` holds. @throws FormatError naming the place that can't be used */
const readTokenizerModel = (value: unknown): TokenizerModel => {
  const file = objectAt(value, 'the file');
  const model = objectAt(file['model'], 'model');
  // Files of old have no type; merges are what only this type has.
  if (model['type'] !== undefined || model['merges'] === undefined) {
    if (model['type'] !== 'BPE') refuse('model.type', '"BPE"', model['type']);
  }
  requireSetting(model, 'dropout', 'model', [null, 0]);
  requireSetting(model, 'continuing_subword_prefix', 'model', [null, '']);
  requireSetting(model, 'end_of_word_suffix', 'model', [null, '']);
  requireSetting(model, 'byte_fallback', 'model', [false]);
  requireSetting(model, 'ignore_merges', 'model', [false]);
  for (const key of ['truncation', 'padding']) requireSetting(file, key, 'the file', [null]);
  const preTokenizer = objectAt(onlyPart(file['pre_tokenizer'], 'pretokenizers'), 'pre_tokenizer');
  const decoder = objectAt(onlyPart(file['decoder'], 'decoders'), 'decoder');
  for (const [key, part] of Object.entries({ pre_tokenizer: preTokenizer, decoder })) {
    if (part['type'] !== 'ByteLevel') refuse(`${key}.type`, '"ByteLevel"', part['type']);
  }
  requireSetting(preTokenizer, 'add_prefix_space', 'pre_tokenizer', [true, false]);
  requireSetting(preTokenizer, 'use_regex', 'pre_tokenizer', [true]);
  const normalizer = onlyPart(file['normalizer'], 'normalizers');
  const lowercase = isObject(normalizer) && normalizer['type'] === 'Lowercase';
  if (normalizer !== null && !lowercase) refuse('normalizer', 'null or {"type":"Lowercase"}', normalizer);
  const post = onlyPart(file['post_processor'], 'processors');
  if (post !== null && !(isObject(post) && post['type'] === 'ByteLevel')) {
    refuse('post_processor', 'null or of type "ByteLevel"', post);
  }
  const { tokens, specials, normalized } = readTokens(
    model,
    arrayAt(file['added_tokens'] ?? [], 'added_tokens'),
  );
  const merges = readMerges(model, new Map(tokens.map((token, id) => [token, id])));
  const prefixSpace = preTokenizer['add_prefix_space'] === true;
  return { tokens, merges, specials, normalized, lowercase, prefixSpace };
};

const parseText = (text: string | Uint8Array, origin: string): unknown => {
  if (text.length > maxFileLength) {
    throw new FormatError(
      `${origin}: expected at most ${maxFileLength} bytes, got ${text.length}; is this a tokenizer.json?`,
      { code: 'tokenizer-format' },
    );
  }
  return parseJson(text, origin, { remedy: 'the file may be truncated, write it again' });
};

const readFile = (path: string): Uint8Array => {
  try {
    return readBytesSync(path);
  } catch (cause) {
    throw new StateError(
      `tokenizer: expected a readable file at ${path}, got ${(cause as { readonly code?: string }).code ?? 'an error'}; ` +
        'give the path of a tokenizer.json, its bytes, its text or its parsed content',
      { code: 'tokenizer-missing', fields: { path }, cause },
    );
  }
};

/** @throws StateError unless `tokenizer` is the one that data or weights were made with */
export const requireTokenizerHash = (tokenizer: Tokenizer, expectedHash: string, owner = 'data'): void => {
  if (tokenizer.hash === expectedHash) return;
  throw new StateError(
    `tokenizer: expected the one that the ${owner} was made with (sha256 ${expectedHash}), got another ` +
      `(sha256 ${tokenizer.hash}, ${tokenizer.size} tokens); use the tokenizer.json beside the ${owner} or prepare it again`,
    { code: 'tokenizer-mismatch', fields: { expected: expectedHash, got: tokenizer.hash } },
  );
};

/**
 * A tokenizer from a `tokenizer.json`: its path, its bytes, its text (which starts with a brace) or its parsed content.
 * @throws FormatError for content that can't be used, StateError for a missing file or another hash than expected
 */
export const loadTokenizer = (source: unknown, options: LoadTokenizerOptions = {}): Tokenizer => {
  let content = source;
  if (typeof source === 'string') {
    const isText = source.trimStart().startsWith('{');
    content = isText
      ? parseText(source, 'tokenizer.json')
      : parseText(readFile(source), `tokenizer.json at ${source}`);
  } else if (source instanceof Uint8Array) content = parseText(source, 'tokenizer.json');
  const tokenizer = createTokenizer(readTokenizerModel(content));
  if (options.expectedHash !== undefined) requireTokenizerHash(tokenizer, options.expectedHash);
  return tokenizer;
};

/** Writes `tokenizer.json` whole or not at all; its SHA-256 is `tokenizer.hash`. @throws StateError */
export const saveTokenizer = async (tokenizer: Tokenizer, path: string): Promise<void> =>
  writeFileAtomic(path, serializeTokenizer(tokenizer.toJSON()));
