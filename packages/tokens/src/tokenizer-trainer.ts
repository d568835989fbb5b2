/**
 * Learns byte-pair merges from text (Sennrich et al., 2016, on bytes): the most frequent pair of neighbours becomes a
 * token, again and again. Counts are kept per unique word and updated only where a merge changed something; equal
 * counts go to the pair with the lower ids, so the result depends on the multiset of words alone.
 */
import { ConfigError } from '@polygate/core';
import { baseBytes } from './byte-alphabet.ts';
import { maxVocabularySize, pairKey } from './merge-rules.ts';
import { lowerCase, specialSplitter, splitWords } from './pre-tokenisation.ts';
import { createPriorityQueue } from './priority-queue.ts';
import type { PriorityQueue } from './priority-queue.ts';
import { createTokenizer } from './tokenizer.ts';
import type { Tokenizer } from './tokenizer.ts';
import { assembleModel, byteTokens, specialTokens } from './vocabulary.ts';
import type { VocabularyOptions } from './vocabulary.ts';
import { utf8Bytes } from './utf8.ts';

export interface TrainTokenizerOptions extends VocabularyOptions {
  /** Ids in all: 256 bytes, merges and special tokens. Fewer result when the text has no further pair. */
  readonly vocabularySize: number;
  /** A pair that occurs less often is not merged. @default 2 */
  readonly minFrequency?: number;
}

/** A unique word of the corpus. */
interface CountedWord {
  ids: number[];
  readonly count: number;
}

interface Candidate {
  readonly key: number;
  readonly count: number;
}

const countWords = (texts: Iterable<string>, options: VocabularyOptions): CountedWord[] => {
  const idOfByte = new Int32Array(256);
  for (const [id, byte] of baseBytes.entries()) idOfByte[byte] = id;
  const split = specialSplitter(specialTokens(options.specials));
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const part of split(text)) {
      if (part.special) continue;
      for (const word of splitWords(options.lowercase ? lowerCase(part.text) : part.text)) {
        counts.set(word, (counts.get(word) ?? 0) + 1);
      }
    }
  }
  return [...counts].map(([word, count]) => ({
    ids: Array.from(utf8Bytes(word), (byte) => idOfByte[byte] ?? 0),
    count,
  }));
};

/** Replaces each place of the pair, from the left, without overlap. */
const replacePair = (ids: readonly number[], pair: readonly [number, number], merged: number): number[] => {
  const result: number[] = [];
  for (let i = 0; i < ids.length; i += 1) {
    if (ids[i] === pair[0] && ids[i + 1] === pair[1]) {
      result.push(merged);
      i += 1;
    } else result.push(ids[i] ?? 0);
  }
  return result;
};

/** Pair counts over all words, the words of each pair, and the pairs in order of count. */
interface PairStatistics {
  readonly counts: Map<number, number>;
  /** Indices of words that hold or once held the pair; may repeat. */
  readonly places: Map<number, number[]>;
  readonly queue: PriorityQueue<Candidate>;
}

const addPairs = (statistics: PairStatistics, word: CountedWord, sign: 1 | -1): void => {
  for (let i = 0; i + 1 < word.ids.length; i += 1) {
    const key = pairKey(word.ids[i] ?? 0, word.ids[i + 1] ?? 0);
    statistics.counts.set(key, (statistics.counts.get(key) ?? 0) + sign * word.count);
  }
};

const addPlaces = (statistics: PairStatistics, ids: readonly number[], index: number): void => {
  for (let i = 0; i + 1 < ids.length; i += 1) {
    const key = pairKey(ids[i] ?? 0, ids[i + 1] ?? 0);
    const list = statistics.places.get(key);
    if (!list) statistics.places.set(key, [index]);
    else if (list[list.length - 1] !== index) list.push(index);
  }
};

const offer = (statistics: PairStatistics, key: number): void => {
  const count = statistics.counts.get(key) ?? 0;
  if (count > 0) statistics.queue.push({ key, count });
};

const gatherStatistics = (words: readonly CountedWord[]): PairStatistics => {
  const statistics: PairStatistics = {
    counts: new Map(),
    places: new Map(),
    queue: createPriorityQueue<Candidate>(
      (a, b) => a.count > b.count || (a.count === b.count && a.key < b.key),
    ),
  };
  for (const [index, word] of words.entries()) {
    addPairs(statistics, word, 1);
    addPlaces(statistics, word.ids, index);
  }
  for (const key of statistics.counts.keys()) offer(statistics, key);
  return statistics;
};

/** Merges a pair in all words that hold it. Pairs that the merge made are offered anew. */
const applyMerge = (
  statistics: PairStatistics,
  words: readonly CountedWord[],
  pair: readonly [number, number, number],
): void => {
  const [left, right, merged] = pair;
  const key = pairKey(left, right);
  const grown = new Set<number>();
  for (const index of new Set(statistics.places.get(key) ?? [])) {
    const word = words[index] as CountedWord;
    const ids = replacePair(word.ids, [left, right], merged);
    if (ids.length === word.ids.length) continue;
    addPairs(statistics, word, -1);
    word.ids = ids;
    addPairs(statistics, word, 1);
    const created: number[] = [];
    for (let i = 0; i < ids.length; i += 1) {
      if (ids[i] !== merged) continue;
      if (i > 0) created.push(pairKey(ids[i - 1] ?? 0, merged));
      if (i + 1 < ids.length) created.push(pairKey(merged, ids[i + 1] ?? 0));
    }
    for (const one of created) {
      grown.add(one);
      const list = statistics.places.get(one);
      if (!list) statistics.places.set(one, [index]);
      else if (list[list.length - 1] !== index) list.push(index);
    }
  }
  statistics.counts.delete(key);
  statistics.places.delete(key);
  for (const one of grown) offer(statistics, one);
};

/** The most frequent pair as it is now. Queued counts may be out of date; counts only fall while a pair waits. */
const nextPair = (statistics: PairStatistics, minFrequency: number): number | undefined => {
  for (let top = statistics.queue.pop(); top !== undefined; top = statistics.queue.pop()) {
    const count = statistics.counts.get(top.key) ?? 0;
    if (count === top.count) return count >= minFrequency ? top.key : undefined;
    if (count > 0) statistics.queue.push({ key: top.key, count });
  }
  return undefined;
};

/**
 * Trains a byte-level BPE tokenizer. Special tokens written out in the texts are left out of the counts.
 * @param texts read once, in any order; the order does not change the result
 * @throws ConfigError for a size that can't hold the bytes and special tokens
 */
export const trainTokenizer = (texts: Iterable<string>, options: TrainTokenizerOptions): Tokenizer => {
  const { vocabularySize, minFrequency = 2 } = options;
  const reserved = 256 + specialTokens(options.specials).length;
  if (!Number.isInteger(vocabularySize) || vocabularySize < reserved || vocabularySize > maxVocabularySize) {
    throw new ConfigError(
      `trainTokenizer: expected a vocabularySize from ${reserved} (256 bytes and ${reserved - 256} special tokens) ` +
        `to ${maxVocabularySize}, got ${vocabularySize}`,
      { fields: { vocabularySize } },
    );
  }
  if (!(minFrequency >= 1)) {
    throw new ConfigError(`trainTokenizer: expected a minFrequency of at least 1, got ${minFrequency}`);
  }
  const words = countWords(texts, options);
  const statistics = gatherStatistics(words);
  const tokens = byteTokens();
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: [number, number][] = [];
  while (tokens.length + reserved - 256 < vocabularySize) {
    const key = nextPair(statistics, minFrequency);
    if (key === undefined) break;
    const right = key % maxVocabularySize;
    const left = (key - right) / maxVocabularySize;
    const text = `${tokens[left]}${tokens[right]}`;
    const merged = ids.get(text) ?? tokens.length;
    if (merged === tokens.length) {
      tokens.push(text);
      ids.set(text, merged);
    }
    merges.push([left, right]);
    applyMerge(statistics, words, [left, right, merged]);
  }
  return createTokenizer(assembleModel({ tokens, merges }, options));
};
