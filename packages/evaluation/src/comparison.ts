/** Two systems on the same samples: which is better, by how much, and how sure that is. */
import { ConfigError, ShapeError } from '@polygate/core';
import { bootstrapStatistic, type Interval } from './bootstrap.ts';
import { corpusStatistic, type CorpusOutcomes } from './corpus-statistics.ts';
import { mcnemarTest, pairedBootstrap, permutationTest, randomizationTest } from './paired-tests.ts';
import type { SampleOutcomes } from './score-report.ts';

export interface OutcomeComparison {
  /** Mean of b minus mean of a, of the values of the samples; of a corpus the difference of its scores. */
  readonly difference: number;
  /** Interval of the difference by the paired bootstrap; infinite where the samples do not tell. */
  readonly interval: Interval;
  /** Two-sided: of a difference at least as large if the systems were alike. */
  readonly probability: number;
  readonly test: 'McNemar' | 'permutation' | 'randomization';
  /** Difference in deviations of the differences of groups (Cohen's d of pairs); null where all are equal. */
  readonly effectSize: number | null;
  /** Samples on which the systems differ. */
  readonly differing: number;
  readonly count: number;
  /** The one with the better mean, whatever the probability says; undefined where they are equal. */
  readonly ahead: 'a' | 'b' | undefined;
}

const isRight = (value: number): boolean => value === 0 || value === 1;

const singles = (groups: SampleOutcomes['groups']): boolean =>
  groups === undefined || new Set(groups).size === groups.length;

const checkSamples = (
  counts: readonly [number, number],
  a: Pick<SampleOutcomes, 'groups'>,
  b: Pick<SampleOutcomes, 'groups'>,
): void => {
  if (counts[0] !== counts[1]) {
    throw new ShapeError(
      `comparison: expected scores of the same samples, got ${counts[0]} and ${counts[1]}; evaluate both on the same suite, with the same limit and seed`,
    );
  }
  const other = a.groups?.findIndex((group, i) => group !== b.groups?.[i]) ?? -1;
  if (other < 0 && (a.groups === undefined) === (b.groups === undefined)) return;
  throw new ConfigError(
    `comparison: expected scores of the same samples, got ${String(a.groups?.[other])} and ${String(b.groups?.[other])} as sample ${Math.max(0, other)}; evaluate both on the same suite, with the same limit and seed`,
    { code: 'other-samples' },
  );
};

/**
 * Compares what two systems scored on the same samples: McNemar's exact test where samples are right or wrong and do not
 * depend on each other, else a permutation test by groups.
 * @throws ShapeError, ConfigError (code `other-samples`) for other samples
 */
export const compareOutcomes = (
  a: SampleOutcomes,
  b: SampleOutcomes,
  options: { readonly seed: number; readonly draws?: number },
): OutcomeComparison => {
  checkSamples([a.values.length, b.values.length], a, b);
  if (a.better !== b.better) {
    throw new ConfigError(`comparison: expected one direction, got ${a.better} and ${b.better} as better`);
  }
  const { seed, draws } = options;
  const groups = a.groups ? { groups: [...a.groups] } : {};
  const binary = a.values.every(isRight) && b.values.every(isRight);
  const exact = binary && singles(a.groups);
  const { difference, interval, effectSize } = pairedBootstrap(b.values, a.values, { seed, ...groups });
  const { probability } = exact
    ? mcnemarTest(b.values, a.values)
    : permutationTest(b.values, a.values, { seed, ...groups, ...(draws === undefined ? {} : { draws }) });
  const gain = a.better === 'higher' ? difference : -difference;
  return Object.freeze({
    difference,
    interval,
    probability,
    test: exact ? 'McNemar' : 'permutation',
    effectSize: Number.isNaN(effectSize) ? null : effectSize,
    differing: a.values.filter((value, i) => value !== b.values[i]).length,
    count: a.values.length,
    ahead: gain === 0 ? undefined : gain > 0 ? 'b' : 'a',
  });
};

const sameRow = (a: readonly number[] = [], b: readonly number[] = []): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);

/** Resamples and assignments of a corpus: each is a score of the whole. */
const CORPUS_DRAWS = 1000;

/**
 * Compares a score of a whole corpus, such as macro-F1, which is better higher: approximate randomisation by groups, and the
 * BCa bootstrap of the difference.
 * @throws ShapeError, ConfigError (code `other-samples`) for other samples, or another statistic
 */
export const compareCorpora = (
  a: CorpusOutcomes,
  b: CorpusOutcomes,
  options: { readonly seed: number; readonly draws?: number },
): OutcomeComparison => {
  checkSamples([a.rows.length, b.rows.length], a, b);
  if (a.statistic !== b.statistic) {
    throw new ConfigError(`comparison: expected one statistic, got ${a.statistic} and ${b.statistic}`);
  }
  const score = corpusStatistic(a.statistic);
  const { seed, draws = CORPUS_DRAWS } = options;
  const groups = a.groups ? { groups: [...a.groups] } : {};
  const count = a.rows.length;
  const [left, right] = [a.rows, b.rows];
  const of = (rows: readonly (readonly number[])[], indices: Int32Array) =>
    score(Array.from(indices, (i) => rows[i] ?? []));
  const interval = bootstrapStatistic(count, (indices) => of(right, indices) - of(left, indices), {
    seed,
    resamples: draws,
    ...groups,
  });
  const { difference, probability } = randomizationTest(
    count,
    (swapped) =>
      score(right.map((row, i) => (swapped(i) ? (left[i] ?? []) : row))) -
      score(left.map((row, i) => (swapped(i) ? (right[i] ?? []) : row))),
    { seed, draws, ...groups },
  );
  return Object.freeze({
    difference,
    interval,
    probability,
    test: 'randomization',
    effectSize: null,
    differing: left.filter((row, i) => !sameRow(row, right[i])).length,
    count,
    ahead: difference === 0 ? undefined : difference > 0 ? 'b' : 'a',
  });
};

/**
 * Probabilities of several tests, so that all of them together err as seldom as one (Holm, 1979): those below a level stay
 * below it with that probability for any false one among them.
 */
export const holmAdjusted = (probabilities: readonly number[]): readonly number[] => {
  const bad = probabilities.findIndex((each) => !(each >= 0 && each <= 1));
  if (bad >= 0) {
    throw new ConfigError(
      `holmAdjusted: expected probabilities of 0 to 1, got ${probabilities[bad]} at position ${bad}`,
    );
  }
  const order = probabilities
    .map((_, i) => i)
    .sort((i, j) => (probabilities[i] ?? 1) - (probabilities[j] ?? 1));
  const adjusted = [...probabilities];
  let least = 0;
  for (const [rank, i] of order.entries()) {
    least = Math.min(1, Math.max(least, (probabilities.length - rank) * (probabilities[i] ?? 1)));
    adjusted[i] = least;
  }
  return adjusted;
};
