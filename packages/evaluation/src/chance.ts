/** Scores of guessing, and of answers that look at no input: what every score is shown beside. */
import { ConfigError } from '@polygate/core';
import { accuracy } from './classification.ts';
import type { Labels, SampleScores } from './classification.ts';

/** Top-k accuracy of a uniform guess among C classes: k / C, at most 1. */
export const chanceTopK = (classes: number, k = 1): number => {
  if (!(classes > 0 && k > 0)) {
    throw new ConfigError(`chanceTopK: expected positive classes and k, got ${classes} and ${k}`);
  }
  return Math.min(1, k / classes);
};

/**
 * Recall@k of a random order of the gallery, for a query with `relevant` right answers in it:
 * 1 - C(gallery - relevant, k) / C(gallery, k).
 */
export const chanceRecall = (gallery: number, k: number, relevant = 1): number => {
  if (!(gallery > 0 && k > 0 && relevant > 0 && relevant <= gallery)) {
    throw new ConfigError(
      `chanceRecall: expected a positive k and 1 to ${gallery} relevant of the gallery, got k ${k} and ${relevant}`,
    );
  }
  let miss = 1;
  for (let i = 0; i < Math.min(k, gallery); i += 1)
    miss *= Math.max(0, gallery - relevant - i) / (gallery - i);
  return 1 - miss;
};

const countOf = <T>(values: Iterable<T>): Map<T, number> => {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
};

/** The most frequent value; the first to occur of equally frequent ones. */
const mostFrequent = <T>(name: string, values: Iterable<T>): T => {
  let best: readonly [T, number] | undefined;
  for (const entry of countOf(values)) if (!best || entry[1] > best[1]) best = entry;
  if (!best) throw new ConfigError(`${name}: expected at least one training value, got none`);
  return best[0];
};

/** Always answers the most frequent training label. */
export const majorityBaseline = (
  training: Iterable<number>,
  labels: Labels,
): SampleScores & { readonly label: number } => {
  const label = mostFrequent('majorityBaseline', training);
  return Object.freeze({
    ...accuracy(
      Int32Array.from({ length: labels.length }, () => label),
      labels,
    ),
    label,
  });
};

/** Always answers the most frequent training caption. */
export const mostFrequentCaption = (training: Iterable<string>): string =>
  mostFrequent('mostFrequentCaption', training);

export interface UnigramOptions {
  /** Vocabulary size. */
  readonly size: number;
  /** Added to every count, so that unseen tokens have a probability. @default 1 */
  readonly smoothing?: number;
}

export interface UnigramBaseline {
  /** The most frequent training token. */
  readonly token: number;
  /** Accuracy of always answering it. */
  readonly accuracy: SampleScores;
  /** Natural log probability of each evaluation token, for perplexity and bits per byte. */
  readonly logProbabilities: Float64Array;
}

/** Predicts each token by its frequency in the training text, whatever stands around it. */
export const unigramBaseline = (
  training: Iterable<number>,
  tokens: Labels,
  options: UnigramOptions,
): UnigramBaseline => {
  const { size, smoothing = 1 } = options;
  const counts = new Float64Array(size).fill(smoothing);
  let total = smoothing * size;
  for (const token of training) {
    if (!(token >= 0 && token < size)) {
      throw new ConfigError(`unigramBaseline: expected tokens from 0 to ${size - 1}, got ${token}`);
    }
    counts[token] = (counts[token] ?? 0) + 1;
    total += 1;
  }
  const token = counts.indexOf(Math.max(...counts));
  const logProbabilities = Float64Array.from({ length: tokens.length }, (_, i) =>
    Math.log((counts[tokens[i] ?? -1] ?? 0) / total),
  );
  return Object.freeze({
    token,
    accuracy: accuracy(
      Int32Array.from({ length: tokens.length }, () => token),
      tokens,
    ),
    logProbabilities,
  });
};
