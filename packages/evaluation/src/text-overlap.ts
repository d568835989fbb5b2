/** ROUGE-L, token-F1 and exact match: scores of one text against its references, averaged over samples. */
import { ConfigError } from '@polygate/core';
import { answerWords } from './answer-words.ts';
import { captionWords, countNgrams } from './caption-words.ts';
import type { CaptionPair, WordSplitter } from './caption-words.ts';
import { meanScore } from './classification.ts';
import type { SampleScores } from './classification.ts';

/** A text and its words. */
interface CutText {
  readonly raw: string;
  readonly words: readonly string[];
}

type PairScore = (candidate: CutText, references: readonly CutText[]) => number;

const scorePairs = (
  name: string,
  score: PairScore,
  input: readonly [readonly CaptionPair[], WordSplitter],
): SampleScores => {
  const [pairs, split] = input;
  const cut = (raw: string): CutText => ({ raw, words: split(raw) });
  return meanScore(
    Float64Array.from(pairs, ({ candidate, references }, i) => {
      if (references.length === 0) {
        throw new ConfigError(
          `${name}: expected at least one reference for each sample, got none for sample ${i}`,
        );
      }
      return score(cut(candidate), references.map(cut));
    }),
  );
};

/** Length of the longest common subsequence of two word lists. */
export const commonSubsequence = (a: readonly string[], b: readonly string[]): number => {
  let row = new Int32Array(b.length + 1);
  for (const word of a) {
    const next = new Int32Array(b.length + 1);
    for (let j = 1; j <= b.length; j += 1) {
      next[j] = word === b[j - 1] ? (row[j - 1] ?? 0) + 1 : Math.max(row[j] ?? 0, next[j - 1] ?? 0);
    }
    row = next;
  }
  return row[b.length] ?? 0;
};

/** Weight of recall over precision in ROUGE-L, as the captioning benchmarks set it. */
const beta = 1.2;

const rouge: PairScore = ({ words: candidate }, references) => {
  let precision = 0;
  let recall = 0;
  for (const { words: reference } of references) {
    const common = commonSubsequence(candidate, reference);
    if (common === 0) continue;
    precision = Math.max(precision, common / candidate.length);
    recall = Math.max(recall, common / reference.length);
  }
  if (precision === 0) return 0;
  return ((1 + beta * beta) * precision * recall) / (recall + beta * beta * precision);
};

/**
 * ROUGE-L (Lin, 2004, eq. 2 to 4) with beta 1.2; over several references the best precision and the best recall, as the
 * captioning benchmarks take them.
 */
export const rougeL = (pairs: readonly CaptionPair[], words: WordSplitter = captionWords): SampleScores =>
  scorePairs('rougeL', rouge, [pairs, words]);

/**
 * Whether two texts without words are the same: by their signs, since emoji, articles or marks alone leave no words, and
 * texts that differ in them are no match.
 */
const sameSigns = (a: string, b: string): boolean => {
  const signs = (text: string): string => text.normalize('NFC').toLowerCase().replaceAll(/\s+/gu, ' ').trim();
  return signs(a) === signs(b);
};

/** F1 of two bags of words with so many words in common. */
const bagF1 = (common: number, sizes: readonly [number, number]): number =>
  (2 * common) / (sizes[0] + sizes[1]);

const overlapF1 = (candidate: CutText, reference: CutText): number => {
  const sizes = [candidate.words.length, reference.words.length] as const;
  if (sizes[0] === 0 && sizes[1] === 0) return sameSigns(candidate.raw, reference.raw) ? 1 : 0;
  const counts = countNgrams(reference.words, 1);
  let common = 0;
  for (const [word, count] of countNgrams(candidate.words, 1))
    common += Math.min(count, counts.get(word) ?? 0);
  return bagF1(common, sizes);
};

/**
 * F1 of the bags of words (Rajpurkar et al., 2016), the best over the references. By default words are those of SQuAD:
 * case, ASCII punctuation and articles do not count. A text without words has 0 against one with words, and against
 * another without words only 1 where both are the same.
 */
export const tokenF1 = (pairs: readonly CaptionPair[], words: WordSplitter = answerWords): SampleScores =>
  scorePairs(
    'tokenF1',
    (candidate, references) => Math.max(...references.map((reference) => overlapF1(candidate, reference))),
    [pairs, words],
  );

/**
 * Share of candidates with the same words in the same order as one of their references, with the words of
 * {@link tokenF1}; texts without words match where both are the same.
 */
export const exactMatch = (pairs: readonly CaptionPair[], words: WordSplitter = answerWords): SampleScores =>
  scorePairs(
    'exactMatch',
    (candidate, references) =>
      references.some(
        (reference) =>
          reference.words.join('\u0000') === candidate.words.join('\u0000') &&
          (candidate.words.length > 0 || sameSigns(reference.raw, candidate.raw)),
      )
        ? 1
        : 0,
    [pairs, words],
  );

/**
 * {@link tokenF1} of each text of a gallery against the same references, by an index from words to texts: for galleries
 * of thousands of texts.
 */
export const overlapWith = (
  texts: readonly string[],
  words: WordSplitter = answerWords,
): ((references: readonly string[]) => Float64Array) => {
  const sizes = new Int32Array(texts.length);
  const index = new Map<string, (readonly [text: number, count: number])[]>();
  for (const [text, raw] of texts.entries()) {
    const tokens = words(raw);
    sizes[text] = tokens.length;
    for (const [word, count] of countNgrams(tokens, 1)) {
      const places = index.get(word) ?? [];
      places.push([text, count]);
      index.set(word, places);
    }
  }
  return (references) => {
    const best = new Float64Array(texts.length);
    for (const raw of references) {
      const tokens = words(raw);
      const common = new Float64Array(texts.length);
      for (const [word, count] of countNgrams(tokens, 1)) {
        for (const [text, other] of index.get(word) ?? []) {
          common[text] = (common[text] as number) + Math.min(count, other);
        }
      }
      for (const [text, size] of sizes.entries()) {
        const score =
          size + tokens.length > 0
            ? bagF1(common[text] as number, [size, tokens.length])
            : Number(sameSigns(texts[text] ?? '', raw));
        best[text] = Math.max(best[text] as number, score);
      }
    }
    return best;
  };
};
