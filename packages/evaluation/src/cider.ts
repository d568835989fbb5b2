/**
 * CIDEr and CIDEr-D (Vedantam et al., 2015, sections 3 and 5.1): per order n = 1..4 the cosine of TF-IDF vectors, mean over
 * references and orders, times 10. CIDEr-D clips the candidate's weights at the reference's and multiplies by a Gaussian of
 * the length difference (sigma 6); it is what the captioning benchmarks report under the name CIDEr.
 *
 * Document frequencies are those of the references of the corpus that is scored, unless others are given, such as those of
 * a training set: of a small corpus its own say little. As in the published scorer, term frequencies are plain counts and
 * words are not stemmed.
 */
import { ConfigError, ShapeError } from '@polygate/core';
import { captionWords, countNgrams } from './caption-words.ts';
import type { CaptionPair, WordSplitter } from './caption-words.ts';
import { meanScore } from './classification.ts';
import type { SampleScores } from './classification.ts';

const orders = [1, 2, 3, 4] as const;
const sigma = 6;
const scale = 10;

interface WeightedText {
  readonly length: number;
  /** TF-IDF weight of each n-gram, by order. */
  readonly weights: readonly ReadonlyMap<string, number>[];
  /** Euclidean norm of the weights, by order. */
  readonly norms: readonly number[];
}

/** In how many documents each n-gram occurs; a document is all the references of one sample. */
export interface DocumentFrequencies {
  readonly documents: number;
  /** By n-gram, its words joined by U+0000. */
  readonly counts: ReadonlyMap<string, number>;
}

const frequenciesOf = (samples: readonly (readonly (readonly string[])[])[]): DocumentFrequencies => {
  const counts = new Map<string, number>();
  for (const references of samples) {
    const seen = new Set(
      references.flatMap((words) => orders.flatMap((n) => [...countNgrams(words, n).keys()])),
    );
    for (const ngram of seen) counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
  }
  return { documents: samples.length, counts };
};

/**
 * Document frequencies of a set of captions, for {@link cider} and {@link ciderD} of another.
 * @param references captions of each image
 */
export const documentFrequencies = (
  references: readonly (readonly string[])[],
  words: WordSplitter = captionWords,
): DocumentFrequencies => frequenciesOf(references.map((captions) => captions.map((text) => words(text))));

const weigh = (words: readonly string[], { documents, counts }: DocumentFrequencies): WeightedText => {
  const weights = orders.map((n) => {
    const weights = new Map<string, number>();
    for (const [ngram, count] of countNgrams(words, n)) {
      weights.set(ngram, count * Math.log(documents / Math.max(1, counts.get(ngram) ?? 0)));
    }
    return weights;
  });
  const norms = weights.map((vector) => Math.hypot(...vector.values()));
  return { length: words.length, weights, norms };
};

/** Mean over the orders of the cosine; clipped, with the length penalty, for CIDEr-D. */
const similarity = (candidate: WeightedText, reference: WeightedText, clipped: boolean): number => {
  const difference = candidate.length - reference.length;
  const penalty = clipped ? Math.exp(-(difference * difference) / (2 * sigma * sigma)) : 1;
  let total = 0;
  for (const order of orders.keys()) {
    const norm = (candidate.norms[order] ?? 0) * (reference.norms[order] ?? 0);
    if (norm === 0) continue;
    let product = 0;
    for (const [ngram, weight] of candidate.weights[order] ?? []) {
      const other = reference.weights[order]?.get(ngram) ?? 0;
      product += (clipped ? Math.min(weight, other) : weight) * other;
    }
    total += product / norm;
  }
  return (penalty * total) / orders.length;
};

export interface CiderOptions {
  /** @default captionWords */
  readonly words?: WordSplitter;
  /** @default those of the references that are scored */
  readonly frequencies?: DocumentFrequencies;
}

const checkFrequencies = (name: string, { documents, counts }: DocumentFrequencies): void => {
  let most = 1;
  for (const count of counts.values()) most = Math.max(most, count);
  if (documents >= most) return;
  throw new ConfigError(
    `${name}: expected frequencies of at most the ${documents} documents they are of, got ${most}; give the number of documents that were counted`,
  );
};

const scorePairs = (
  { name, clipped }: { readonly name: string; readonly clipped: boolean },
  pairs: readonly CaptionPair[],
  options: WordSplitter | CiderOptions,
): SampleScores => {
  const { words = captionWords, ...given } = typeof options === 'function' ? { words: options } : options;
  if (pairs.length === 0) {
    throw new ShapeError(`${name}: expected at least one pair, got none; is the split empty?`);
  }
  const references = pairs.map((pair) => pair.references.map((reference) => words(reference)));
  const without = references.findIndex((list) => list.length === 0);
  if (without >= 0) {
    throw new ConfigError(
      `${name}: expected at least one reference for each sample, got none for sample ${without}`,
    );
  }
  const frequencies = given.frequencies ?? frequenciesOf(references);
  checkFrequencies(name, frequencies);
  return meanScore(
    Float64Array.from(pairs, (pair, i) => {
      const pairReferences = references[i] ?? [];
      const candidate = weigh(words(pair.candidate), frequencies);
      let total = 0;
      for (const reference of pairReferences)
        total += similarity(candidate, weigh(reference, frequencies), clipped);
      return (scale * total) / pairReferences.length;
    }),
  );
};

/**
 * CIDEr-D of a corpus, 0 to 10, with the score of each sample. With one sample and no other document frequencies every IDF
 * is 0 and so is the score; a corpus of a few hundred samples is the least that means something.
 * @param options a splitter of words alone stands for `{ words }`
 * @throws ConfigError for a pair without references
 */
export const ciderD = (
  pairs: readonly CaptionPair[],
  options: WordSplitter | CiderOptions = {},
): SampleScores => scorePairs({ name: 'ciderD', clipped: true }, pairs, options);

/** CIDEr without the clipping and the length penalty of {@link ciderD}, which captions can game. @throws as ciderD */
export const cider = (
  pairs: readonly CaptionPair[],
  options: WordSplitter | CiderOptions = {},
): SampleScores => scorePairs({ name: 'cider', clipped: false }, pairs, options);
