/**
 * The byte-level BPE tokenizer: text -> special tokens cut out -> (lower case) -> words -> bytes -> merges -> ids.
 * Every byte is a token, so every text has an encoding and there is no unknown token.
 */
import { ConfigError, sha256 } from '@polygate/core';
import { bytesOfToken, symbolsOfBytes } from './byte-alphabet.ts';
import { maxVocabularySize, mergeWord, pairKey } from './merge-rules.ts';
import { lowerCase, specialSplitter, splitWords } from './pre-tokenisation.ts';
import { serializeTokenizer, tokenizerJson } from './tokenizer-json.ts';
import type { TokenizerJson } from './tokenizer-json.ts';
import type { TokenizerModel } from './tokenizer-model.ts';
import { wordIndices } from './word-indices.ts';
import { joinBytes, utf8Bytes, utf8Text } from './utf8.ts';

/** Ids of the two special tokens that the model itself uses. */
export interface SpecialIds {
  /** `<|spe|>`: the prefix of every sequence, the mask of MLM and the query token of captioning. */
  readonly spe: number;
  /** `<|endoftext|>`: ends captions, class names and lines of text. */
  readonly endoftext: number;
}

/** Text to token ids and back. Immutable; may be shared. */
export interface Tokenizer {
  /** Token ids of a text, int32. Special tokens written out in the text become their ids; lone surrogates U+FFFD. */
  encode(text: string): Int32Array;
  /**
   * The text of token ids; special tokens give their own text. Bytes that are not UTF-8 (a token sequence cut inside a
   * character) give U+FFFD. @throws ConfigError for an id that is not in the vocabulary
   */
  decode(ids: Iterable<number>): string;
  /** Number of ids: bytes, merged tokens and special tokens. */
  readonly size: number;
  /** Id of a token text in the file's form (`"Ġthe"` for " the"), or undefined. */
  idOf(token: string): number | undefined;
  /** Token text of an id, in the file's form. @throws ConfigError for an id that is not in the vocabulary */
  tokenOf(id: number): string;
  readonly specials: SpecialIds;
  /** Index of the word that each id belongs to, from 0 upwards; a special token is a word of its own. */
  words(ids: ArrayLike<number>): Int32Array;
  /** SHA-256, hex, of the bytes that {@link saveTokenizer} writes. */
  readonly hash: string;
  toJSON(): TokenizerJson;
}

export const speToken = '<|spe|>';
export const endoftextToken = '<|endoftext|>';

/** Words whose ids are kept; natural text repeats few words most of the time. */
const cacheLimit = 1 << 16;
/** Longer words are not worth their memory in the cache. */
const cachedWordLength = 64;

const needSpecial = (ids: ReadonlyMap<string, number>, model: TokenizerModel, token: string): number => {
  const id = ids.get(token);
  if (id === undefined || !model.specials.includes(id)) {
    throw new ConfigError(
      `tokenizer: expected the special token ${token} among the added tokens, got ` +
        `${model.specials.map((special) => model.tokens[special]).join(', ') || 'none'}; ` +
        `append it to added_tokens with the next free id ${model.tokens.length}`,
      { code: 'special-token-missing', fields: { token } },
    );
  }
  return id;
};

const baseIds = (ids: ReadonlyMap<string, number>): Int32Array =>
  Int32Array.from({ length: 256 }, (_, byte) => {
    const symbol = symbolsOfBytes(Uint8Array.of(byte));
    const id = ids.get(symbol);
    if (id === undefined) {
      throw new ConfigError(
        `tokenizer: expected a token for each of the 256 bytes, got none for byte ${byte} ("${symbol}"); ` +
          'use a byte-level BPE vocabulary',
        { code: 'byte-missing', fields: { byte } },
      );
    }
    return id;
  });

/** A tokenizer over a model that the trainer or the file reader made. @throws ConfigError for an incomplete model */
export const createTokenizer = (model: TokenizerModel): Tokenizer => {
  const { tokens } = model;
  const size = tokens.length;
  if (size > maxVocabularySize) {
    throw new ConfigError(
      `tokenizer: expected at most ${maxVocabularySize} tokens, got ${size}; use a smaller vocabulary`,
    );
  }
  const idByToken: ReadonlyMap<string, number> = new Map(tokens.map((token, id) => [token, id]));
  const specials: SpecialIds = Object.freeze({
    spe: needSpecial(idByToken, model, speToken),
    endoftext: needSpecial(idByToken, model, endoftextToken),
  });
  const isSpecial = new Set(model.specials);
  const idOfByte = baseIds(idByToken);
  // Made when first asked for: of a vocabulary of a million tokens the bytes take more than all else.
  const knownBytes: (Uint8Array | undefined)[] = [];
  const bytesOfId = (id: number): Uint8Array | undefined =>
    isSpecial.has(id) ? undefined : (knownBytes[id] ??= bytesOfToken(tokens[id] ?? '') ?? new Uint8Array(0));
  const rules = {
    ranks: new Map(model.merges.map(([left, right], rank) => [pairKey(left, right), rank])),
    results: Int32Array.from(
      model.merges,
      ([left, right]) => idByToken.get(`${tokens[left]}${tokens[right]}`) ?? 0,
    ),
  };
  const lower = model.lowercase ? lowerCase : (text: string): string => text;
  const later = new Set(model.normalized);
  const isLater = (id: number): boolean => later.has(id);
  const split = specialSplitter(model.specials.filter((id) => !isLater(id)).map((id) => tokens[id] ?? ''));
  // Their texts are lower-cased as the text is that they are looked for in.
  const idOfLater = new Map([...later].map((id) => [lower(tokens[id] ?? ''), id]));
  const splitLater = specialSplitter([...idOfLater.keys()]);
  const cache = new Map<string, readonly number[]>();

  const encodeWord = (word: string): readonly number[] => {
    const cached = cache.get(word);
    if (cached) return cached;
    const ids = mergeWord(
      Array.from(utf8Bytes(word), (byte) => idOfByte[byte] ?? 0),
      rules,
    );
    if (word.length <= cachedWordLength) {
      if (cache.size >= cacheLimit) cache.clear();
      cache.set(word, ids);
    }
    return ids;
  };
  const check = (id: number, where: string): number => {
    if (Number.isInteger(id) && id >= 0 && id < size) return id;
    throw new ConfigError(
      `${where}: expected token ids from 0 to ${size - 1}, got ${id}; were they made with another tokenizer?`,
      { code: 'token-id', fields: { id, size } },
    );
  };
  const json = (): TokenizerJson => tokenizerJson(model);
  let hash: string | undefined;

  return Object.freeze({
    encode(text: string): Int32Array {
      const ids: number[] = [];
      for (const part of split(text)) {
        if (part.special) {
          ids.push(idByToken.get(part.text) ?? 0);
          continue;
        }
        for (const piece of splitLater(lower(part.text))) {
          if (piece.special) {
            ids.push(idOfLater.get(piece.text) ?? 0);
            continue;
          }
          const plain = model.prefixSpace && !piece.text.startsWith(' ') ? ` ${piece.text}` : piece.text;
          for (const word of splitWords(plain)) for (const id of encodeWord(word)) ids.push(id);
        }
      }
      return Int32Array.from(ids);
    },
    decode(ids: Iterable<number>): string {
      let text = '';
      let run: Uint8Array[] = [];
      for (const id of ids) {
        const bytes = bytesOfId(check(id, 'decode'));
        if (bytes) run.push(bytes);
        else {
          text += utf8Text(joinBytes(run)) + (tokens[id] ?? '');
          run = [];
        }
      }
      return text + utf8Text(joinBytes(run));
    },
    size,
    idOf: (token: string) => idByToken.get(token),
    tokenOf: (id: number) => tokens[check(id, 'tokenOf')] ?? '',
    specials,
    words: (ids: ArrayLike<number>) => wordIndices(Array.from(ids, (id) => bytesOfId(check(id, 'words')))),
    get hash() {
      return (hash ??= sha256(serializeTokenizer(json())));
    },
    toJSON: json,
  });
};
