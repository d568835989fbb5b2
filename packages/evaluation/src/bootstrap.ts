/**
 * Percentile bootstrap intervals (Efron, 1979). Samples that depend on each other (pictures of one concept, captions of
 * one picture) are drawn as groups, otherwise the interval is too narrow.
 */
import { ConfigError, createRandom, ShapeError } from '@polygate/core';
import type { Random } from '@polygate/core';

/** Lower and upper end. */
export type Interval = readonly [low: number, high: number];

export interface BootstrapOptions {
  readonly seed: number;
  /** @default 1000 */
  readonly resamples?: number;
  /** Probability that the interval covers, 0..1. @default 0.95 */
  readonly confidence?: number;
  /** Group of each sample; groups are drawn whole. @default every sample is a group */
  readonly groups?: ArrayLike<number | string>;
}

interface Settings {
  readonly random: Random;
  readonly resamples: number;
  readonly confidence: number;
}

const settingsOf = (options: BootstrapOptions): Settings => {
  const { seed, resamples = 1000, confidence = 0.95 } = options;
  if (!Number.isInteger(resamples) || resamples < 1 || !(confidence > 0 && confidence < 1)) {
    throw new ConfigError(
      `bootstrap: expected a whole number of resamples and a confidence between 0 and 1, got ${resamples} and ${confidence}`,
    );
  }
  return { random: createRandom(seed), resamples, confidence };
};

/** Value below which a share of the sorted values lies, with linear interpolation between neighbours. */
export const quantile = (sorted: ArrayLike<number>, share: number): number => {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] ?? Number.NaN;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? Number.NaN;
  return low + (place - below) * (high - low);
};

const percentileInterval = (statistics: Float64Array, confidence: number): Interval => {
  const sorted = statistics.sort();
  const tail = (1 - confidence) / 2;
  return Object.freeze([quantile(sorted, tail), quantile(sorted, 1 - tail)] as const);
};

/** Sample indices of each group, in order of first occurrence. */
const gatherGroups = (count: number, groups: BootstrapOptions['groups']): readonly (readonly number[])[] => {
  if (count === 0)
    throw new ShapeError('bootstrap: expected at least one sample, got none; is the split empty?');
  if (!groups) return Array.from({ length: count }, (_, i) => [i]);
  if (groups.length !== count) {
    throw new ShapeError(`bootstrap: expected a group for each of ${count} samples, got ${groups.length}`);
  }
  const lists = new Map<number | string, number[]>();
  for (let i = 0; i < count; i += 1) {
    const key = groups[i] as number | string;
    const list = lists.get(key);
    if (list) list.push(i);
    else lists.set(key, [i]);
  }
  return [...lists.values()];
};

/** Interval of a mean of per-sample values. @throws ShapeError, ConfigError */
export const bootstrapInterval = (values: ArrayLike<number>, options: BootstrapOptions): Interval => {
  const { random, resamples, confidence } = settingsOf(options);
  const groups = gatherGroups(values.length, options.groups);
  const sums = Float64Array.from(groups, (group) => group.reduce((sum, i) => sum + (values[i] ?? 0), 0));
  const sizes = Int32Array.from(groups, (group) => group.length);
  const statistics = new Float64Array(resamples);
  for (let r = 0; r < resamples; r += 1) {
    let sum = 0;
    let size = 0;
    for (let g = 0; g < sums.length; g += 1) {
      const drawn = random.integer(sums.length);
      sum += sums[drawn] ?? 0;
      size += sizes[drawn] ?? 0;
    }
    statistics[r] = sum / size;
  }
  return percentileInterval(statistics, confidence);
};

/**
 * Interval of any statistic of a corpus, such as macro-F1 or BLEU.
 * @param count samples of the corpus
 * @param statistic value of the resampled corpus that the given sample indices make up
 */
export const bootstrapStatistic = (
  count: number,
  statistic: (indices: Int32Array) => number,
  options: BootstrapOptions,
): Interval => {
  const { random, resamples, confidence } = settingsOf(options);
  const groups = gatherGroups(count, options.groups);
  const statistics = new Float64Array(resamples);
  for (let r = 0; r < resamples; r += 1) {
    const indices: number[] = [];
    for (let g = 0; g < groups.length; g += 1) {
      for (const index of groups[random.integer(groups.length)] ?? []) indices.push(index);
    }
    statistics[r] = statistic(Int32Array.from(indices));
  }
  return percentileInterval(statistics, confidence);
};

export interface PairedDifference {
  /** Mean of a minus mean of b. */
  readonly value: number;
  readonly interval: Interval;
}

/** Difference of two systems on the same samples, drawn in pairs. @throws ShapeError */
export const pairedDifference = (
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  options: BootstrapOptions,
): PairedDifference => {
  if (a.length !== b.length) {
    throw new ShapeError(
      `pairedDifference: expected scores of the same samples, got ${a.length} and ${b.length}`,
    );
  }
  const differences = Float64Array.from({ length: a.length }, (_, i) => (a[i] ?? 0) - (b[i] ?? 0));
  const interval = bootstrapInterval(differences, options);
  return Object.freeze({ value: differences.reduce((sum, d) => sum + d, 0) / differences.length, interval });
};
