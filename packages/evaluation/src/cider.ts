/**
 * CIDEr-D (Vedantam et al., 2015, section 5.1): per order n = 1..4 the cosine of TF-IDF vectors with the candidate's
 * weights clipped at the reference's, times a Gaussian of the length difference (sigma 6); mean over references and
 * orders, times 10. Document frequencies are those of the references of the corpus that is scored. As in the published
 * scorer, term frequencies are plain counts and words are not stemmed.
 */
import { ConfigError } from '@polygate/core';
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

/** In how many samples each n-gram occurs in any reference. */
const documentFrequencies = (
  samples: readonly (readonly (readonly string[])[])[],
): ReadonlyMap<string, number> => {
  const frequencies = new Map<string, number>();
  for (const references of samples) {
    const seen = new Set(
      references.flatMap((words) => orders.flatMap((n) => [...countNgrams(words, n).keys()])),
    );
    for (const ngram of seen) frequencies.set(ngram, (frequencies.get(ngram) ?? 0) + 1);
  }
  return frequencies;
};

const weigh = (
  words: readonly string[],
  frequencies: ReadonlyMap<string, number>,
  samples: number,
): WeightedText => {
  const weights = orders.map((n) => {
    const own = new Map<string, number>();
    for (const [ngram, count] of countNgrams(words, n)) {
      own.set(ngram, count * Math.log(samples / Math.max(1, frequencies.get(ngram) ?? 0)));
    }
    return own;
  });
  const norms = weights.map((own) => Math.hypot(...own.values()));
  return { length: words.length, weights, norms };
};

/** Mean over the orders of the clipped cosine, with the length penalty. */
const similarity = (candidate: WeightedText, reference: WeightedText): number => {
  const difference = candidate.length - reference.length;
  const penalty = Math.exp(-(difference * difference) / (2 * sigma * sigma));
  let total = 0;
  for (const order of orders.keys()) {
    const norm = (candidate.norms[order] ?? 0) * (reference.norms[order] ?? 0);
    if (norm === 0) continue;
    let product = 0;
    for (const [ngram, weight] of candidate.weights[order] ?? []) {
      const other = reference.weights[order]?.get(ngram) ?? 0;
      product += Math.min(weight, other) * other;
    }
    total += product / norm;
  }
  return (penalty * total) / orders.length;
};

/**
 * CIDEr-D of a corpus, 0 to 10, with the score of each sample. With one sample every IDF is 0 and so is the score; a
 * corpus of a few hundred samples is the least that means something.
 * @throws ConfigError for a pair without references
 */
export const ciderD = (pairs: readonly CaptionPair[], words: WordSplitter = captionWords): SampleScores => {
  const references = pairs.map((pair) => pair.references.map((reference) => words(reference)));
  const without = references.findIndex((list) => list.length === 0);
  if (without >= 0) {
    throw new ConfigError(
      `ciderD: expected at least one reference for each sample, got none for sample ${without}`,
    );
  }
  const frequencies = documentFrequencies(references);
  return meanScore(
    Float64Array.from(pairs, (pair, i) => {
      const own = references[i] ?? [];
      const candidate = weigh(words(pair.candidate), frequencies, pairs.length);
      let total = 0;
      for (const reference of own)
        total += similarity(candidate, weigh(reference, frequencies, pairs.length));
      return (scale * total) / own.length;
    }),
  );
};
