/**
 * Corpus BLEU (Papineni et al., 2002): geometric mean of clipped n-gram precisions over the whole corpus, times the
 * brevity penalty with the nearest reference length (the shorter of two equally near). Without smoothing an order without
 * a match makes BLEU of that order 0; smoothing (Chen and Cherry, 2014) is for single sentences and small corpora, and its
 * name belongs beside the score.
 */
import { ConfigError, ShapeError, unknownName } from '@polygate/core';
import { captionWords, countNgrams } from './caption-words.ts';
import type { CaptionPair, WordSplitter } from './caption-words.ts';

const orders = [1, 2, 3, 4] as const;
/** Values of {@link BleuCounts}. */
const LENGTH = 14;

export interface BleuScores {
  /** BLEU-1 to BLEU-4. */
  readonly bleu: readonly [number, number, number, number];
  /** Clipped precision of each order. */
  readonly precisions: readonly [number, number, number, number];
  readonly brevityPenalty: number;
}

/**
 * Additive counts of one pair: clipped matches of the four orders, n-grams of the four orders, candidate length, nearest
 * reference length, and the orders of which the candidate has no n-gram. Sums of them over any samples give that corpus's BLEU, which is what resampling needs.
 */
export type BleuCounts = Float64Array;

const nearestLength = (lengths: readonly number[], candidate: number): number =>
  lengths.reduce((best, length) => {
    const gain = Math.abs(best - candidate) - Math.abs(length - candidate);
    return gain > 0 || (gain === 0 && length < best) ? length : best;
  });

/** The counts of one pair, float64 [14]. @throws ConfigError for a pair without references */
export const bleuCounts = (pair: CaptionPair, words: WordSplitter = captionWords): BleuCounts => {
  if (pair.references.length === 0) {
    throw new ConfigError(
      `bleu: expected at least one reference, got none for the candidate "${pair.candidate}"`,
    );
  }
  const candidate = words(pair.candidate);
  const references = pair.references.map((reference) => words(reference));
  const counts = new Float64Array(LENGTH);
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
    counts[10 + index] = candidate.length < n ? 1 : 0;
  }
  counts[8] = candidate.length;
  counts[9] = nearestLength(
    references.map((reference) => reference.length),
    candidate.length,
  );
  return counts;
};

/** What is known of one order when its precision is smoothed. */
interface OrderCounts {
  readonly order: number;
  readonly matches: number;
  readonly total: number;
  /** Sentences without an n-gram of the order. */
  readonly without: number;
  /** Orders without a match up to this one, itself included. */
  readonly misses: number;
  /** Words of the candidates. */
  readonly length: number;
}

const share = (matches: number, total: number): number => (total === 0 ? 0 : matches / total);

/**
 * Smoothed precisions by name. Those of NLTK (`method1` to `method4`) count an n-gram more for each sentence that is too
 * short to have one, as it does; `floor`, `add-k` and `exp` are sacreBLEU's with its values.
 */
const smoothings = {
  none: ({ matches, total }: OrderCounts) => share(matches, total),
  floor: ({ matches, total }: OrderCounts) => share(matches === 0 ? 0.1 : matches, total),
  'add-k': ({ order, matches, total }: OrderCounts) =>
    order === 1 ? share(matches, total) : share(matches + 1, total + 1),
  exp: ({ matches, total, misses }: OrderCounts) => share(matches === 0 ? 2 ** -misses : matches, total),
  method1: ({ matches, total, without }: OrderCounts) =>
    share(matches === 0 ? 0.1 : matches, total + without),
  method2: ({ order, matches, total, without }: OrderCounts) =>
    order === 1 ? share(matches, total + without) : share(matches + 1, total + without + 1),
  method3: ({ matches, total, without, misses }: OrderCounts) =>
    share(matches === 0 ? 2 ** -misses : matches, total + without),
  method4: ({ matches, total, without, misses, length }: OrderCounts) =>
    matches > 0 || length <= 1
      ? share(matches, total + without)
      : share((Math.log(length) / 5) * 2 ** -misses, total + without),
} as const satisfies Readonly<Record<string, (counts: OrderCounts) => number>>;

/** A smoothing by its name. */
export type BleuSmoothing = keyof typeof smoothings;

/** Names of smoothings, that of none first. */
export const bleuSmoothings: readonly BleuSmoothing[] = Object.freeze(
  Object.keys(smoothings) as BleuSmoothing[],
);

export interface BleuOptions {
  /** @default 'none' */
  readonly smoothing?: BleuSmoothing;
}

/** BLEU of summed {@link bleuCounts}. @throws ConfigError for an unknown smoothing (lists the known ones) */
export const bleuOfCounts = (sum: BleuCounts, { smoothing = 'none' }: BleuOptions = {}): BleuScores => {
  const at = (index: number): number => sum[index] ?? 0;
  if (!Object.hasOwn(smoothings, smoothing))
    throw unknownName('smoothing of BLEU', smoothing, bleuSmoothings);
  let misses = 0;
  const precision = (index: 0 | 1 | 2 | 3): number => {
    const matches = at(index);
    if (matches === 0) misses += 1;
    return smoothings[smoothing]({
      order: index + 1,
      matches,
      total: at(4 + index),
      without: at(10 + index),
      misses,
      length: at(8),
    });
  };
  const precisions = [precision(0), precision(1), precision(2), precision(3)] as const;
  const brevityPenalty = at(8) === 0 ? 0 : at(8) >= at(9) ? 1 : Math.exp(1 - at(9) / at(8));
  // Without a single word in common there is nothing to smooth.
  const nothing = at(0) === 0;
  const upTo = (n: number): number => {
    const used = precisions.slice(0, n);
    if (nothing || used.includes(0)) return 0;
    return brevityPenalty * Math.exp(used.reduce((total, p) => total + Math.log(p), 0) / n);
  };
  return Object.freeze({ bleu: [upTo(1), upTo(2), upTo(3), upTo(4)] as const, precisions, brevityPenalty });
};

/** Sum of the counts of the given samples. @param indices @default all */
export const sumBleuCounts = (
  counts: readonly ArrayLike<number>[],
  indices?: ArrayLike<number>,
): BleuCounts => {
  const sum = new Float64Array(LENGTH);
  const length = indices?.length ?? counts.length;
  for (let i = 0; i < length; i += 1) {
    const pairCounts = counts[indices?.[i] ?? i];
    for (let k = 0; k < LENGTH; k += 1) sum[k] = (sum[k] ?? 0) + (pairCounts?.[k] ?? 0);
  }
  return sum;
};

export interface CorpusBleuOptions extends BleuOptions {
  /** @default captionWords */
  readonly words?: WordSplitter;
}

/**
 * BLEU-1 to BLEU-4 of a corpus.
 * @param options a splitter of words alone stands for `{ words }`
 * @throws ShapeError for no pairs; ConfigError for a pair without references and for an unknown smoothing
 */
export const bleu = (
  pairs: readonly CaptionPair[],
  options: WordSplitter | CorpusBleuOptions = {},
): BleuScores => {
  const { words = captionWords, ...others } = typeof options === 'function' ? { words: options } : options;
  if (pairs.length === 0)
    throw new ShapeError('bleu: expected at least one pair, got none; is the split empty?');
  return bleuOfCounts(sumBleuCounts(pairs.map((pair) => bleuCounts(pair, words))), others);
};
