/** ROUGE-L, token-F1 and exact match: scores of one text against its references, averaged over samples. */
import { ConfigError } from '@polygate/core';
import { captionWords, countNgrams } from './caption-words.ts';
import type { CaptionPair, WordSplitter } from './caption-words.ts';
import { meanScore } from './classification.ts';
import type { SampleScores } from './classification.ts';

type WordsOfPair = (candidate: readonly string[], references: readonly (readonly string[])[]) => number;

const scorePairs = (
  name: string,
  score: WordsOfPair,
  input: readonly [readonly CaptionPair[], WordSplitter],
): SampleScores => {
  const [pairs, words] = input;
  return meanScore(
    Float64Array.from(pairs, ({ candidate, references }, i) => {
      if (references.length === 0) {
        throw new ConfigError(
          `${name}: expected at least one reference for each sample, got none for sample ${i}`,
        );
      }
      return score(
        words(candidate),
        references.map((reference) => words(reference)),
      );
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

const rouge: WordsOfPair = (candidate, references) => {
  let precision = 0;
  let recall = 0;
  for (const reference of references) {
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

const overlapF1 = (candidate: readonly string[], reference: readonly string[]): number => {
  if (candidate.length === 0 || reference.length === 0) return candidate.length === reference.length ? 1 : 0;
  const counts = countNgrams(reference, 1);
  let common = 0;
  for (const [word, count] of countNgrams(candidate, 1)) common += Math.min(count, counts.get(word) ?? 0);
  return (2 * common) / (candidate.length + reference.length);
};

/** F1 of the bags of words (Rajpurkar et al., 2016), the best over the references; articles count as words here. */
export const tokenF1 = (pairs: readonly CaptionPair[], words: WordSplitter = captionWords): SampleScores =>
  scorePairs(
    'tokenF1',
    (candidate, references) => Math.max(...references.map((reference) => overlapF1(candidate, reference))),
    [pairs, words],
  );

/** Share of candidates with the same words in the same order as one of their references. */
export const exactMatch = (pairs: readonly CaptionPair[], words: WordSplitter = captionWords): SampleScores =>
  scorePairs(
    'exactMatch',
    (candidate, references) =>
      references.some((reference) => reference.join(' ') === candidate.join(' ')) ? 1 : 0,
    [pairs, words],
  );
