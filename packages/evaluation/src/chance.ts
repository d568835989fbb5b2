/** Scores of guessing, and of answers that look at no input: what every score is shown beside. */
import { ConfigError, excerpt, requireWhole, ShapeError, unknownName } from '@polygate/core';
import { accuracy } from './classification.ts';
import type { Labels, SampleScores } from './classification.ts';

/** Whole numbers from 1 by name; anything else, numbers in a row above all, is refused with the names. */
const checkOptions = <Name extends string>(
  name: string,
  options: Readonly<Partial<Record<Name, number>>>,
  defaults: Readonly<Record<Name, number | undefined>>,
): Readonly<Record<Name, number>> => {
  const names = Object.keys(defaults) as Name[];
  const listed = `{ ${names.join(', ')} }`;
  if (typeof options !== 'object' || options === null) {
    throw new ConfigError(`${name}: expected options by name, ${listed}, got ${excerpt(options, 40)}`);
  }
  for (const key of Object.keys(options))
    if (!names.includes(key as Name)) throw unknownName(`option of ${name}`, key, names);
  const checked = Object.fromEntries(names.map((key) => [key, options[key] ?? defaults[key]])) as Record<
    Name,
    number
  >;
  for (const key of names) {
    if (!(Number.isInteger(checked[key]) && checked[key] >= 1)) {
      throw new ConfigError(
        `${name}: expected a whole number ${key} from 1 in ${listed}, got ${excerpt(checked[key], 40)}`,
      );
    }
  }
  return checked;
};

/** Top-k accuracy of a uniform guess among C classes: k / C, at most 1. @param options.k @default 1 @throws ConfigError */
export const chanceTopK = (options: { readonly classes: number; readonly k?: number }): number => {
  const { classes, k } = checkOptions('chanceTopK', options, { k: 1, classes: undefined });
  return Math.min(1, k / classes);
};

/**
 * Recall@k of a random order of the gallery, for a query with `relevant` right answers in it:
 * 1 - C(gallery - relevant, k) / C(gallery, k).
 * @param options.relevant @default 1
 * @throws ConfigError
 */
export const chanceRecall = (options: {
  readonly gallery: number;
  readonly k: number;
  readonly relevant?: number;
}): number => {
  const { gallery, k, relevant } = checkOptions('chanceRecall', options, {
    k: undefined,
    gallery: undefined,
    relevant: 1,
  });
  if (relevant > gallery) {
    throw new ConfigError(
      `chanceRecall: expected at most as many relevant as the gallery of ${gallery} holds, got ${relevant}`,
    );
  }
  if (k > gallery - relevant) return 1;
  let miss = 1;
  for (let i = 0; i < k; i += 1) miss *= (gallery - relevant - i) / (gallery - i);
  return 1 - miss;
};

/**
 * Macro-F1 of a uniform guess, each class's counts taken at their means: with n of N samples in a class of C,
 * F1 = 2 (n / C) / (n + N / C). It is what {@link expectedConfusion} of equal scores gives.
 * @throws ShapeError for no labels; ConfigError for a label outside the classes
 */
export const chanceMacroF1 = (options: { readonly labels: Labels; readonly classes: number }): number => {
  const { labels, classes } = options;
  if (labels.length === 0) {
    throw new ShapeError('chanceMacroF1: expected at least one label, got none; is the split empty?');
  }
  const counts = new Float64Array(chanceTopK({ classes }) > 0 ? classes : 0);
  for (let i = 0; i < labels.length; i += 1) {
    const label = labels[i] ?? -1;
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new ConfigError(
        `chanceMacroF1: expected labels from 0 to ${classes - 1}, got ${label} for sample ${i}`,
      );
    }
    counts[label] = (counts[label] ?? 0) + 1;
  }
  const scores = Array.from(counts, (n) => (2 * n) / classes / (n + labels.length / classes));
  return scores.reduce((sum, score) => sum + score, 0) / classes;
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
  if (Number.isNaN(label)) {
    throw new ConfigError('majorityBaseline: expected training labels that are numbers, got NaN most often');
  }
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
  requireWhole('unigramBaseline: size', size, { most: 1e8 });
  const counts = new Float64Array(size).fill(smoothing);
  let total = smoothing * size;
  for (const token of training) {
    if (!(token >= 0 && token < size)) {
      throw new ConfigError(`unigramBaseline: expected tokens from 0 to ${size - 1}, got ${token}`);
    }
    counts[token] = (counts[token] ?? 0) + 1;
    total += 1;
  }
  const token = counts.indexOf(counts.reduce((most, count) => Math.max(most, count)));
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
