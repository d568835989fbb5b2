/**
 * Scores of ranked lists, as retrieval reports them: median and mean rank, mean reciprocal rank, mean average precision
 * and NDCG. Q queries · G gallery. Equal scores have no order: reciprocal rank, average precision and NDCG are exact means
 * over all orders of the equal ones (McSherry and Najork, 2008).
 */
import { ConfigError, ShapeError, unknownName } from '@polygate/core';
import { meanScore, type SampleScores } from './classification.ts';
import { expectedRanks, type Ranks } from './ranks.ts';

/**
 * Expected 1 / rank of the first right one of `tied` equal candidates, `right` of them right, behind `better` others. The
 * probability that it is the j-th of the tie is C(tied - j, right - 1) / C(tied, right).
 */
const reciprocalOf = (better: number, tied: number, right: number): number => {
  let probability = right / tied;
  let sum = 0;
  for (let j = 1; j <= tied - right + 1; j += 1) {
    sum += probability / (better + j);
    probability *= (tied - j - right + 1) / (tied - j);
  }
  return sum;
};

/** Mean reciprocal rank of the first right candidate. @throws ShapeError for no queries */
export const meanReciprocalRank = ({ better, tied, right }: Ranks): SampleScores =>
  meanScore(Float64Array.from(better, (above, i) => reciprocalOf(above, tied[i] ?? 1, right[i] ?? 1)));

/** Mean rank of the first right candidate, 1 for the best. @throws ShapeError for no queries */
export const meanRank = (ranks: Ranks): SampleScores =>
  meanScore(expectedRanks(ranks).map((rank) => rank + 1));

/**
 * The middle of the values; of an even number the mean of the two in the middle.
 * @throws ShapeError for none; ConfigError for NaN
 */
export const median = (values: ArrayLike<number>): number => {
  if (values.length === 0) {
    throw new ShapeError('median: expected at least one value, got none; is the split empty?');
  }
  const sorted = Float64Array.from(values);
  const bad = sorted.findIndex(Number.isNaN);
  if (bad >= 0) throw new ConfigError(`median: expected numbers, got NaN at position ${bad}; leave it out`);
  sorted.sort();
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
};

/** Median rank of the first right candidate, 1 for the best. @throws ShapeError for no queries */
export const medianRank = (ranks: Ranks): number => median(expectedRanks(ranks)) + 1;

/** Relevances of one query's candidates from the highest score down, those of equal scores together. */
const tiedRelevances = (
  name: string,
  scores: ArrayLike<number>,
  relevances: ArrayLike<number>,
): readonly (readonly number[])[] => {
  if (scores.length !== relevances.length || scores.length === 0) {
    throw new ShapeError(
      `${name}: expected a relevance for each of one candidate or more, got ${scores.length} scores and ${relevances.length} relevances`,
    );
  }
  for (let j = 0; j < scores.length; j += 1) {
    if (Number.isNaN(scores[j])) {
      throw new ConfigError(
        `${name}: expected scores that are numbers, got NaN for candidate ${j}; has the model diverged?`,
        { code: 'nan-score' },
      );
    }
    if (!((relevances[j] ?? -1) >= 0)) {
      throw new ConfigError(
        `${name}: expected relevances of 0 or more, got ${relevances[j]} for candidate ${j}`,
      );
    }
  }
  const order = Array.from(scores, (_, j) => j).sort((a, b) => {
    const [left, right] = [scores[a] ?? 0, scores[b] ?? 0];
    return left === right ? 0 : right > left ? 1 : -1;
  });
  const ties: number[][] = [];
  let last: number | undefined;
  for (const j of order) {
    if (scores[j] !== last || ties.length === 0) ties.push([]);
    last = scores[j];
    ties.at(-1)?.push(relevances[j] ?? 0);
  }
  return ties;
};

/** Candidates of one query. */
export interface RankedQuery {
  /** [G] higher is nearer. */
  readonly scores: ArrayLike<number>;
  /** [G] 0 for what is not right; above 0 for what is, by how much. */
  readonly relevances: ArrayLike<number>;
}

const averagePrecisionOf = ({ scores, relevances }: RankedQuery, query: number): number => {
  let [before, hits, sum] = [0, 0, 0];
  for (const tie of tiedRelevances('meanAveragePrecision', scores, relevances)) {
    const right = tie.filter((relevance) => relevance > 0).length;
    for (let i = 1; i <= tie.length; i += 1) {
      // Right ones at the i-th of a tie, given that the i-th is right.
      const others = tie.length === 1 ? 0 : ((i - 1) * (right - 1)) / (tie.length - 1);
      sum += ((right / tie.length) * (hits + others + 1)) / (before + i);
    }
    before += tie.length;
    hits += right;
  }
  if (hits > 0) return sum / hits;
  throw new ConfigError(
    `meanAveragePrecision: expected a right candidate for every query, got none for query ${query}; leave it out`,
    { code: 'no-right-candidate' },
  );
};

/**
 * Mean over queries of the average precision of their lists.
 * @throws ShapeError; ConfigError for NaN, negative relevances, and (code `no-right-candidate`) a query without one
 */
export const meanAveragePrecision = (queries: readonly RankedQuery[]): SampleScores =>
  meanScore(Float64Array.from(queries, averagePrecisionOf));

export interface DiscountedGainOptions {
  /** Candidates that count, the best first. @default all */
  readonly k?: number;
  /** `linear` takes relevances as they are, `exponential` 2^relevance - 1 (Burges et al., 2005). @default 'linear' */
  readonly gain?: 'linear' | 'exponential';
}

const gains = {
  linear: (relevance: number) => relevance,
  exponential: (relevance: number) => 2 ** relevance - 1,
} as const;

/** Sum of gains, each over log2(1 + rank); within a tie every one has the mean discount. */
const discounted = (ties: readonly (readonly number[])[], k: number): number => {
  let [before, sum] = [0, 0];
  for (const tie of ties) {
    let discounts = 0;
    for (let i = 1; i <= tie.length && before + i <= k; i += 1) discounts += 1 / Math.log2(before + i + 1);
    sum += (discounts * tie.reduce((all, gain) => all + gain, 0)) / tie.length;
    before += tie.length;
    if (before >= k) break;
  }
  return sum;
};

/**
 * Normalised discounted cumulative gain (Järvelin and Kekäläinen, 2002), the mean over queries, 0 to 1: the gain of a list
 * over that of the best order.
 * @throws ShapeError; ConfigError for NaN, negative relevances, k below 1, and a query without a right candidate
 */
export const normalizedGain = (
  queries: readonly RankedQuery[],
  options: DiscountedGainOptions = {},
): SampleScores => {
  const { k = Number.POSITIVE_INFINITY, gain = 'linear' } = options;
  const gainOf = Object.hasOwn(gains, gain) ? gains[gain] : undefined;
  if (!gainOf) throw unknownName('gain', gain, Object.keys(gains));
  if (!(k >= 1)) throw new ConfigError(`normalizedGain: expected a whole number k from 1, got ${k}`);
  return meanScore(
    Float64Array.from(queries, ({ scores, relevances }, query) => {
      const ties = tiedRelevances('normalizedGain', scores, relevances).map((tie) => tie.map(gainOf));
      const best = Array.from(relevances, gainOf).sort((a, b) => b - a);
      const ideal = discounted(
        best.map((each) => [each]),
        k,
      );
      if (ideal > 0) return discounted(ties, k) / ideal;
      throw new ConfigError(
        `normalizedGain: expected a right candidate for every query, got none for query ${query}; leave it out`,
        { code: 'no-right-candidate' },
      );
    }),
  );
};
