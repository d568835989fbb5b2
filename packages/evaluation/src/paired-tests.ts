/**
 * Tests between two systems on the same samples: whether a difference is more than luck. N samples, in groups where they
 * depend on each other; a group changes sides whole.
 *
 * - {@link permutationTest}: for means of any values. Exact where all assignments fit the budget, else approximate
 *   randomisation (Noreen, 1989) by seeded draws.
 * - {@link mcnemarTest}: for right and wrong, exact. Samples must not depend on each other.
 * - {@link pairedBootstrap}: the effect with its interval, and the share of resamples that turn it round.
 *
 * All probabilities are two-sided: of a difference at least as large, in either direction, if the systems were alike.
 */
import { ConfigError, createRandom, requireWhole, ShapeError } from '@polygate/core';
import { bootstrapSettings, gatherGroups, type BootstrapOptions, type Interval } from './bootstrap.ts';
import { pairedDifference } from './mean-interval.ts';
import { binomialTail } from './proportions.ts';

const MOST_DRAWS = 1e7;
/** Assignments within this of the measured difference, relative to it, count as equal to it. */
const ROUNDING = 1e-12;

/** @throws ShapeError for other numbers of samples or none; ConfigError for what is not finite */
const differencesOf = (name: string, a: ArrayLike<number>, b: ArrayLike<number>): Float64Array => {
  if (a.length !== b.length || a.length === 0) {
    throw new ShapeError(
      `${name}: expected scores of the same samples, one or more, got ${a.length} and ${b.length}`,
    );
  }
  return Float64Array.from({ length: a.length }, (_, i) => {
    const difference = (a[i] ?? Number.NaN) - (b[i] ?? Number.NaN);
    if (Number.isFinite(difference)) return difference;
    throw new ConfigError(`${name}: expected finite scores, got ${a[i]} and ${b[i]} for sample ${i}`, {
      code: 'nan-score',
    });
  });
};

export interface PermutationOptions {
  readonly seed: number;
  /** Group of each sample. @default every sample is a group */
  readonly groups?: BootstrapOptions['groups'];
  /** Assignments that are looked at: all where there are no more, else so many draws. @default 10000 */
  readonly draws?: number;
}

export interface TestResult {
  /** Mean of a minus mean of b. */
  readonly difference: number;
  /** Two-sided; 1 where nothing differs. */
  readonly probability: number;
  /** Whether all assignments were looked at. */
  readonly exact: boolean;
}

/**
 * Permutation test of the mean difference: how often it is as large when each group's two systems are swapped by a coin.
 * Of draws the probability is (1 + as large) / (1 + draws), which is never 0.
 * @throws ShapeError, ConfigError
 */
export const permutationTest = (
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  options: PermutationOptions,
): TestResult => {
  const { seed, draws = 10_000 } = options;
  requireWhole('permutationTest: draws', draws, { most: MOST_DRAWS });
  const differences = differencesOf('permutationTest', a, b);
  // Groups without a difference change nothing by being swapped.
  const sums = gatherGroups(a.length, options.groups)
    .map((group) => group.reduce((sum, i) => sum + (differences[i] ?? 0), 0))
    .filter((sum) => sum !== 0);
  const total = sums.reduce((sum, each) => sum + each, 0);
  const difference = total / a.length;
  const scale = sums.reduce((sum, each) => sum + Math.abs(each), 0);
  const least = Math.abs(total) - ROUNDING * scale;
  const asLarge = (signOf: (group: number) => boolean): boolean => {
    let sum = 0;
    for (const [g, each] of sums.entries()) sum += signOf(g) ? each : -each;
    return Math.abs(sum) >= least;
  };
  let count = 0;
  const exact = 2 ** sums.length <= draws;
  if (exact) {
    const all = 2 ** sums.length;
    for (let assignment = 0; assignment < all; assignment += 1) {
      if (asLarge((g) => ((assignment >>> g) & 1) === 0)) count += 1;
    }
    return Object.freeze({ difference, probability: count / all, exact });
  }
  const random = createRandom(seed).fork('permutation');
  for (let draw = 0; draw < draws; draw += 1) {
    let [bits, left] = [0, 0];
    const flip = (): boolean => {
      if (left === 0) [bits, left] = [random.uint32(), 32];
      const bit = bits & 1;
      bits >>>= 1;
      left -= 1;
      return bit === 0;
    };
    if (asLarge(flip)) count += 1;
  }
  return Object.freeze({ difference, probability: (1 + count) / (1 + draws), exact });
};

/**
 * Approximate randomisation (Noreen, 1989) of a score of a whole corpus, such as macro-F1 or BLEU, which has no value of a
 * sample: how often the difference of two systems is as large when each group's two answers are swapped by a coin.
 * @param difference score of a minus score of b, where the samples for which `swapped` says so have changed sides
 * @throws ShapeError, ConfigError for a difference that is not finite
 */
export const randomizationTest = (
  count: number,
  difference: (swapped: (sample: number) => boolean) => number,
  options: PermutationOptions,
): TestResult => {
  const { seed, draws = 1000 } = options;
  requireWhole('randomizationTest: draws', draws, { most: MOST_DRAWS });
  const groups = gatherGroups(count, options.groups);
  const sides = new Uint8Array(count);
  const measure = (signOf: (group: number) => number): number => {
    for (const [g, group] of groups.entries()) {
      const side = signOf(g);
      for (const i of group) sides[i] = side;
    }
    const measured = difference((sample) => sides[sample] === 1);
    if (Number.isFinite(measured)) return measured;
    throw new ConfigError(
      `randomizationTest: expected a finite difference of every assignment, got ${measured}; define the score for corpora that lack a class`,
      { code: 'nan-score' },
    );
  };
  const value = measure(() => 0);
  const least = Math.abs(value) * (1 - ROUNDING);
  const all = 2 ** groups.length;
  const exact = all <= draws;
  const random = createRandom(seed).fork('randomization');
  let asLarge = 0;
  for (let draw = 0; draw < Math.min(all, draws); draw += 1) {
    const measured = measure(exact ? (g) => (draw >>> g) & 1 : () => random.integer(2));
    if (Math.abs(measured) >= least) asLarge += 1;
  }
  const probability = exact ? asLarge / all : (1 + asLarge) / (1 + draws);
  return Object.freeze({ difference: value, probability, exact });
};

export interface McnemarResult extends TestResult {
  /** Samples that only a has right. */
  readonly onlyA: number;
  /** Samples that only b has right. */
  readonly onlyB: number;
  /** onlyA / onlyB; Infinity where b has none, NaN where neither has. */
  readonly oddsRatio: number;
}

/**
 * McNemar's test (1947), exact: of the samples that one system alone has right, whether the share of each is that of a coin.
 * @param a 1 where the first system is right, 0 where it is wrong
 * @throws ShapeError; ConfigError for values that are neither 0 nor 1
 */
export const mcnemarTest = (a: ArrayLike<number>, b: ArrayLike<number>): McnemarResult => {
  const differences = differencesOf('mcnemarTest', a, b);
  for (let i = 0; i < a.length; i += 1) {
    if ([a[i], b[i]].every((value) => value === 0 || value === 1)) continue;
    throw new ConfigError(
      `mcnemarTest: expected 1 for right and 0 for wrong, got ${a[i]} and ${b[i]} for sample ${i}; the permutation test takes any values`,
    );
  }
  const onlyA = differences.filter((difference) => difference > 0).length;
  const onlyB = differences.filter((difference) => difference < 0).length;
  const count = onlyA + onlyB;
  const more = Math.max(onlyA, onlyB);
  return Object.freeze({
    difference: (onlyA - onlyB) / a.length,
    probability: count === 0 ? 1 : Math.min(1, 2 * binomialTail(more, count, 0.5)),
    exact: true,
    onlyA,
    onlyB,
    oddsRatio: onlyA / onlyB,
  });
};

export interface BootstrapComparison {
  /** Mean of a minus mean of b. */
  readonly difference: number;
  /** See {@link pairedDifference}. */
  readonly interval: Interval;
  /** Twice the share of resamples on the other side of 0, at most 1. */
  readonly probability: number;
  /** The difference in units of the deviation of the groups' differences (Cohen's d of pairs); NaN where all are equal. */
  readonly effectSize: number;
}

/**
 * Paired bootstrap (Efron and Tibshirani, 1993; Koehn, 2004): samples are drawn anew with both systems' scores of each. A
 * resample without a difference counts as half on the other side.
 * @throws ShapeError, ConfigError
 */
export const pairedBootstrap = (
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  options: BootstrapOptions,
): BootstrapComparison => {
  const differences = differencesOf('pairedBootstrap', a, b);
  const { random, resamples } = bootstrapSettings(options);
  const groups = gatherGroups(a.length, options.groups);
  const sums = Float64Array.from(groups, (group) => group.reduce((sum, i) => sum + (differences[i] ?? 0), 0));
  const total = sums.reduce((sum, each) => sum + each, 0);
  const stream = random.fork('paired');
  let turned = 0;
  for (let r = 0; r < resamples; r += 1) {
    let sum = 0;
    for (let g = 0; g < sums.length; g += 1) sum += sums[stream.integer(sums.length)] ?? 0;
    if (sum === 0) turned += 0.5;
    else if (sum > 0 !== total > 0) turned += 1;
  }
  const means = Float64Array.from(groups, (group, g) => (sums[g] ?? 0) / group.length);
  const mean = means.reduce((sum, each) => sum + each, 0) / means.length;
  const variance = means.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (means.length - 1);
  const { value, interval } = pairedDifference(a, b, options);
  return Object.freeze({
    difference: value,
    interval,
    probability: total === 0 ? 1 : Math.min(1, (2 * turned) / resamples),
    effectSize: variance > 0 ? value / Math.sqrt(variance) : Number.NaN,
  });
};
