/**
 * Corpus BLEU (Papineni et al., 2002): geometric mean of clipped n-gram precisions over the whole corpus, times the
 * brevity penalty with the nearest reference length (the shorter of two equally near). No smoothing: an order without
 * a match makes BLEU of that order 0.
 */
import { ConfigError, ShapeError } from '@polygate/core';
import { captionWords, countNgrams } from './caption-words.ts';
import type { CaptionPair, WordSplitter } from './caption-words.ts';

const orders = [1, 2, 3, 4] as const;

export interface BleuScores {
  /** BLEU-1 to BLEU-4. */
  readonly bleu: readonly [number, number, number, number];
  /** Clipped precision of each order. */
  readonly precisions: readonly [number, number, number, number];
  readonly brevityPenalty: number;
}

/**
 * Additive counts of one pair: clipped matches of the four orders, n-grams of the four orders, candidate length, nearest
 * reference length. Sums of them over any samples give that corpus's BLEU, which is what resampling needs.
 */
export type BleuCounts = Float64Array;

const nearestLength = (lengths: readonly number[], own: number): number =>
  lengths.reduce((best, length) => {
    const gain = Math.abs(best - own) - Math.abs(length - own);
    return gain > 0 || (gain === 0 && length < best) ? length : best;
  });

/** The counts of one pair, float64 [10]. @throws ConfigError for a pair without references */
export const bleuCounts = (pair: CaptionPair, words: WordSplitter = captionWords): BleuCounts => {
  if (pair.references.length === 0) {
    throw new ConfigError(
      `bleu: expected at least one reference, got none for the candidate "${pair.candidate}"`,
    );
  }
  const candidate = words(pair.candidate);
  const references = pair.references.map((reference) => words(reference));
  const counts = new Float64Array(10);
  for (const [index, n] of orders.entries()) {
    const ceilings = new Map<string, number>();
    for (const reference of references) {
      for (const [ngram, count] of countNgrams(reference, n)) {
        ceilings.set(ngram, Math.max(count, ceilings.get(ngram) ?? 0));
      }
    }
    let matches = 0;
    for (const [ngram, count] of countNgrams(candidate, n))
      matches += Math.min(count, ceilings.get(ngram) ?? 0);
    counts[index] = matches;
    counts[4 + index] = Math.max(0, candidate.length - n + 1);
  }
  counts[8] = candidate.length;
  counts[9] = nearestLength(
    references.map((reference) => reference.length),
    candidate.length,
  );
  return counts;
};

/** BLEU of summed {@link bleuCounts}. */
export const bleuOfCounts = (sum: BleuCounts): BleuScores => {
  const at = (index: number): number => sum[index] ?? 0;
  const precision = (index: number): number => (at(4 + index) === 0 ? 0 : at(index) / at(4 + index));
  const precisions = [precision(0), precision(1), precision(2), precision(3)] as const;
  const brevityPenalty = at(8) === 0 ? 0 : at(8) >= at(9) ? 1 : Math.exp(1 - at(9) / at(8));
  const upTo = (n: number): number => {
    const used = precisions.slice(0, n);
    if (used.includes(0)) return 0;
    return brevityPenalty * Math.exp(used.reduce((total, p) => total + Math.log(p), 0) / n);
  };
  return Object.freeze({ bleu: [upTo(1), upTo(2), upTo(3), upTo(4)] as const, precisions, brevityPenalty });
};

/** Sum of the counts of the given samples. @param indices @default all */
export const sumBleuCounts = (counts: readonly BleuCounts[], indices?: ArrayLike<number>): BleuCounts => {
  const sum = new Float64Array(10);
  const length = indices?.length ?? counts.length;
  for (let i = 0; i < length; i += 1) {
    const own = counts[indices?.[i] ?? i];
    for (let k = 0; k < 10; k += 1) sum[k] = (sum[k] ?? 0) + (own?.[k] ?? 0);
  }
  return sum;
};

/** BLEU-1 to BLEU-4 of a corpus. @throws ShapeError for no pairs, ConfigError for a pair without references */
export const bleu = (pairs: readonly CaptionPair[], words: WordSplitter = captionWords): BleuScores => {
  if (pairs.length === 0)
    throw new ShapeError('bleu: expected at least one pair, got none; is the split empty?');
  return bleuOfCounts(sumBleuCounts(pairs.map((pair) => bleuCounts(pair, words))));
};
