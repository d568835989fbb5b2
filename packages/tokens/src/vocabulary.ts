/** Lays out a vocabulary: 256 bytes, then one token per merge, then the special tokens, <|endoftext|> last. */
import { ConfigError } from '@polygate/core';
import { baseBytes, byteSymbols, bytesOfToken } from './byte-alphabet.ts';
import { endoftextToken, speToken } from './tokenizer.ts';
import type { TokenizerModel } from './tokenizer-model.ts';

export interface VocabularyOptions {
  /** Lower-case all text first. @default false */
  readonly lowercase?: boolean;
  /** Special tokens beside `<|spe|>` and `<|endoftext|>`, which always are the last two ids. @default none */
  readonly specials?: readonly string[];
}

/** Tokens of the 256 bytes, in id order. */
export const byteTokens = (): string[] => baseBytes.map((byte) => byteSymbols[byte] ?? '');

/** All special tokens in id order. @throws ConfigError for an empty or a repeated one */
export const specialTokens = (extra: readonly string[] = []): readonly string[] => {
  const required: readonly string[] = [speToken, endoftextToken];
  const added = extra.filter((token) => !required.includes(token));
  const odd = added.find((token, i) => token === '' || added.indexOf(token) !== i);
  if (odd !== undefined) {
    throw new ConfigError(
      `specials: expected different, non-empty tokens, got "${odd}" ${odd === '' ? '' : 'twice'}; remove it`,
    );
  }
  return [...added, ...required];
};

/** The model of learned tokens and merges with its special tokens appended. */
export const assembleModel = (
  learned: { readonly tokens: readonly string[]; readonly merges: readonly (readonly [number, number])[] },
  options: VocabularyOptions,
): TokenizerModel => {
  const specials = specialTokens(options.specials);
  const clash = specials.find((token) => bytesOfToken(token) && learned.tokens.includes(token));
  if (clash !== undefined) {
    throw new ConfigError(
      `specials: expected tokens that text does not learn, got "${clash}", which is a learned token; write it as "<|${clash}|>"`,
    );
  }
  return {
    tokens: [...learned.tokens, ...specials],
    merges: learned.merges,
    specials: specials.map((_, i) => learned.tokens.length + i),
    lowercase: options.lowercase ?? false,
  };
};
