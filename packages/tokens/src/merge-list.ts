/**
 * Tokenizers from a published list of merges (GPT-2's `vocab.bpe`). Merges are in the order of learning, so the first N
 * of them are a valid vocabulary of 256 + N tokens, with the same ids as in the whole one.
 */
import { ConfigError, FormatError } from '@polygate/core';
import { createTokenizer } from './tokenizer.ts';
import type { Tokenizer } from './tokenizer.ts';
import { assembleModel, byteTokens } from './vocabulary.ts';
import type { VocabularyOptions } from './vocabulary.ts';

export interface MergeListOptions extends VocabularyOptions {
  /** Merges to take from the start of the list. @default all */
  readonly merges?: number;
}

const checkMergeCount = (wanted: number, available: number): void => {
  if (Number.isInteger(wanted) && wanted >= 0 && wanted <= available) return;
  throw new ConfigError(
    `tokenizerFromMergeList: expected 0 to ${available} merges (what the list holds), got ${wanted}`,
    { fields: { wanted, available } },
  );
};

/**
 * @param list text of a merge file: an optional `#version` line, then "left right" a line
 * @throws FormatError naming the line that is no merge of earlier tokens
 */
export const tokenizerFromMergeList = (list: string, options: MergeListOptions = {}): Tokenizer => {
  const lines = list.split('\n').map((line) => line.replace(/\r$/u, ''));
  const first = lines[0]?.startsWith('#version') ? 1 : 0;
  const pairs = lines.slice(first).filter((line) => line !== '');
  const wanted = options.merges ?? pairs.length;
  checkMergeCount(wanted, pairs.length);
  const tokens = byteTokens();
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: [number, number][] = [];
  for (const [index, line] of pairs.slice(0, wanted).entries()) {
    const [left = '', right = '', ...rest] = line.split(' ');
    const leftId = ids.get(left);
    const rightId = ids.get(right);
    if (leftId === undefined || rightId === undefined || rest.length > 0) {
      throw new FormatError(
        `merge list, merge ${index + 1}: expected two earlier tokens with a blank between, got "${line.slice(0, 60)}"; ` +
          'give the whole text of a byte-level vocab.bpe or merges.txt',
        { code: 'merge-list', fields: { merge: index + 1 } },
      );
    }
    if (!ids.has(left + right)) {
      ids.set(left + right, tokens.length);
      tokens.push(left + right);
    }
    merges.push([leftId, rightId]);
  }
  return createTokenizer(assembleModel({ tokens, merges }, options));
};
