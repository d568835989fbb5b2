/**
 * Ranks among scored candidates, and top-k. Scores that are equal have no order, so what depends on ranks is the mean
 * over all orders of the equal ones: a model that gives everything the same score gets chance.
 *
 * N queries · C candidates
 */
import { ConfigError } from '@polygate/core';
import { chanceRecall } from './chance.ts';
import { classesOf, meanScore, type Labels, type SampleScores } from './classification.ts';

/** Where the best right candidate of each query stands. */
export interface Ranks {
  /** Candidates with a better score. */
  readonly better: Int32Array;
  /** Candidates with just its score, itself among them. */
  readonly tied: Int32Array;
  /** Right ones of those. */
  readonly right: Int32Array;
}

/** Candidates of one query: candidate j has `scores[start + j * stride]`. */
export interface CandidateLine {
  readonly scores: ArrayLike<number>;
  readonly start: number;
  readonly stride: number;
  readonly length: number;
}

/**
 * Where the best of the right candidates stands.
 * @param right indices that differ, one or more
 * @throws ConfigError for NaN
 */
const standOf = (
  name: string,
  line: CandidateLine,
  right: readonly number[],
): readonly [better: number, tied: number, right: number] => {
  const at = (j: number): number => line.scores[line.start + j * line.stride] ?? Number.NaN;
  const best = right.reduce((most, j) => Math.max(most, at(j)), Number.NEGATIVE_INFINITY);
  let better = 0;
  let tied = 0;
  for (let j = 0; j < line.length; j += 1) {
    const score = at(j);
    if (Number.isNaN(score)) {
      throw new ConfigError(
        `${name}: expected scores that are numbers, got NaN for candidate ${j}; has the model diverged?`,
        { code: 'nan-score' },
      );
    }
    if (score > best) better += 1;
    else if (score === best) tied += 1;
  }
  return [better, tied, right.filter((j) => at(j) === best).length];
};

/** {@link Ranks} of queries with any number of right candidates. @throws ConfigError for NaN */
export const ranksOf = (
  name: string,
  queries: Iterable<readonly [CandidateLine, readonly number[]]>,
): Ranks => {
  const stands = Array.from(queries, ([line, right]) => standOf(name, line, right));
  const column = (index: 0 | 1 | 2): Int32Array => Int32Array.from(stands, (stand) => stand[index]);
  return Object.freeze({ better: column(0), tied: column(1), right: column(2) });
};

/**
 * Rank of each label among its sample's scores.
 * @param scores [N, C] row by row
 * @throws ShapeError for wrong sizes, ConfigError for a label outside the classes or a score that is not a number
 */
export const labelRanks = (scores: ArrayLike<number>, labels: Labels): Ranks => {
  const classes = classesOf('labelRanks', scores, labels);
  return ranksOf(
    'labelRanks',
    Array.from({ length: labels.length }, (_, i) => {
      const label = labels[i] ?? -1;
      if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
        throw new ConfigError(
          `labelRanks: expected labels from 0 to ${classes - 1}, got ${label} for sample ${i}`,
        );
      }
      return [{ scores, start: i * classes, stride: 1, length: classes }, [label]] as const;
    }),
  );
};

/**
 * Mean rank of the first right candidate over the orders of equal scores, 0 for the best: of t equal ones with r right
 * the first right one has (t - r) / (r + 1) before it.
 */
export const expectedRanks = ({ better, tied, right }: Ranks): Float64Array =>
  Float64Array.from(better, (above, i) => {
    const relevant = right[i] ?? 1;
    return above + ((tied[i] ?? 1) - relevant) / (relevant + 1);
  });

/** Share of queries with a right candidate among the first k. @throws ConfigError unless k is a whole number from 1 */
export const topK = ({ better, tied, right }: Ranks, k: number): SampleScores => {
  if (!(Number.isInteger(k) && k >= 1)) {
    throw new ConfigError(`topK: expected a whole number k from 1, got ${k}`);
  }
  return meanScore(
    Float64Array.from(better, (above, i) => {
      if (above >= k) return 0;
      return chanceRecall({ gallery: tied[i] ?? 1, relevant: right[i] ?? 1, k: k - above });
    }),
  );
};

/** Top-k accuracy of scores [N, C]. @throws as {@link labelRanks} */
export const topKAccuracy = (scores: ArrayLike<number>, labels: Labels, k: number): SampleScores =>
  topK(labelRanks(scores, labels), k);
