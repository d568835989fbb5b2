/**
 * Bias-corrected and accelerated bootstrap intervals (Efron, 1987) of any statistic. Samples that depend on each other
 * (images of one concept, captions of one image) are drawn as groups, otherwise the interval is too narrow. The
 * tails are those of Student's t and of the unbiased deviation (Hesterberg, 2015), since a resample of few groups
 * spreads less than the groups do.
 */
import { ConfigError, createRandom, requireWhole, ShapeError } from '@polygate/core';
import type { Random } from '@polygate/core';
import { normalQuantile, normalShare, studentQuantile } from './distributions.ts';

/** Lower and upper end; infinite where the samples do not tell. */
export type Interval = readonly [low: number, high: number];

export interface BootstrapOptions {
  readonly seed: number;
  /** @default 2000 */
  readonly resamples?: number;
  /** Probability that the interval covers, 0..1. @default 0.95 */
  readonly confidence?: number;
  /** Group of each sample; groups are drawn whole. @default every sample is a group */
  readonly groups?: ArrayLike<number | string>;
}

export interface BootstrapSettings {
  readonly random: Random;
  readonly resamples: number;
  readonly confidence: number;
}

/** Their results are kept until all are there. */
const MAX_RESAMPLES = 1e7;

/** Options with their defaults. @throws ConfigError */
export const bootstrapSettings = (options: BootstrapOptions): BootstrapSettings => {
  const { seed, resamples = 2000, confidence = 0.95 } = options;
  requireWhole('bootstrap: resamples', resamples, { most: MAX_RESAMPLES });
  if (!Number.isFinite(seed)) {
    throw new ConfigError(`bootstrap: expected a seed that is a number, got ${seed}; 1 is as good as any`);
  }
  if (!(confidence > 0 && confidence < 1)) {
    throw new ConfigError(`bootstrap: expected a confidence between 0 and 1, got ${confidence}`);
  }
  return { random: createRandom(seed), resamples, confidence };
};

/** Value below which a share of the sorted values lies, with linear interpolation between neighbours. */
export const quantile = (sorted: ArrayLike<number>, share: number): number => {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below] ?? Number.NaN;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? Number.NaN;
  // Equal infinite neighbours have no difference to interpolate.
  return low === high ? low : low + (position - below) * (high - low);
};

/** Sample indices of each group, in order of first occurrence. @throws ShapeError, ConfigError */
export const gatherGroups = (
  count: number,
  groups: BootstrapOptions['groups'],
): readonly (readonly number[])[] => {
  if (count === 0)
    throw new ShapeError('bootstrap: expected at least one sample, got none; is the split empty?');
  if (!groups) return Array.from({ length: count }, (_, i) => [i]);
  if (groups.length !== count) {
    throw new ShapeError(`bootstrap: expected a group for each of ${count} samples, got ${groups.length}`);
  }
  const lists = new Map<number | string, number[]>();
  for (let i = 0; i < count; i += 1) {
    const key = groups[i];
    if (key === undefined || Number.isNaN(key)) {
      throw new ConfigError(
        `bootstrap: expected groups that are numbers or texts, got ${key} for sample ${i}; leave groups out where every sample is one`,
      );
    }
    const list = lists.get(key);
    if (list) list.push(i);
    else lists.set(key, [i]);
  }
  return [...lists.values()];
};

/** Blocks of groups that are left out in turn for the acceleration: more tell little and cost a statistic each. */
const MOST_BLOCKS = 200;

/** Acceleration from the skewness of the statistic without each block of groups. */
const acceleration = (groups: number, without: (start: number, end: number) => number): number => {
  const blocks = Math.min(groups, MOST_BLOCKS);
  const edge = (block: number): number => Math.floor((block * groups) / blocks);
  const left = Float64Array.from({ length: blocks }, (_, block) => without(edge(block), edge(block + 1)));
  const mean = left.reduce((sum, value) => sum + value, 0) / blocks;
  const most = left.reduce((far, value) => Math.max(far, Math.abs(mean - value)), 0);
  if (most === 0) return 0;
  let squares = 0;
  let cubes = 0;
  for (const value of left) {
    // In parts of the largest, so that no power vanishes.
    const deviation = (mean - value) / most;
    squares += deviation ** 2;
    cubes += deviation ** 3;
  }
  return cubes / (6 * squares ** 1.5);
};

interface Resampled {
  readonly value: number;
  readonly groups: number;
  readonly statistics: Float64Array;
  /** The statistic without the groups from start to end. */
  readonly without: (start: number, end: number) => number;
  readonly confidence: number;
}

const correctedInterval = (resampled: Resampled): Interval => {
  const { value, groups, statistics, without, confidence } = resampled;
  if (groups === 1) return Object.freeze([value, value] as const);
  const sorted = statistics.sort();
  let below = 0;
  for (const statistic of sorted) below += statistic < value ? 1 : statistic === value ? 0.5 : 0;
  // Half a resample from the ends at most, where the correction would be infinite.
  const share = Math.min(Math.max(below, 0.5), sorted.length - 0.5) / sorted.length;
  const bias = normalQuantile(share);
  const skew = acceleration(groups, without);
  const tail = (1 - confidence) / 2;
  const reach = Math.sqrt(groups / (groups - 1)) * studentQuantile(1 - tail, groups - 1);
  const end = (z: number): number => {
    const shift = 1 - skew * (bias + z);
    // Past the pole of the correction the end is the last resample.
    const at = shift <= 0 ? (z < 0 ? 0 : 1) : normalShare(bias + (bias + z) / shift);
    return quantile(sorted, at);
  };
  return Object.freeze([end(-reach), end(reach)] as const);
};

/**
 * Interval of the mean of per-sample values by resampling alone: it lies within the values, and is a point where all are
 * equal or in one group, which says nothing of values that were not seen. {@link meanInterval} knows such cases.
 * @throws ShapeError, ConfigError
 */
export const bootstrapInterval = (values: ArrayLike<number>, options: BootstrapOptions): Interval => {
  const { random, resamples, confidence } = bootstrapSettings(options);
  const groups = gatherGroups(values.length, options.groups);
  for (let i = 0; i < values.length; i += 1) {
    if (Number.isFinite(values[i])) continue;
    throw new ConfigError(
      `bootstrap: expected finite values, got ${values[i]} for sample ${i}; has the model diverged?`,
      { code: 'nan-score' },
    );
  }
  const sums = Float64Array.from(groups, (group) => group.reduce((sum, i) => sum + (values[i] ?? 0), 0));
  const sizes = Int32Array.from(groups, (group) => group.length);
  const total = sums.reduce((sum, value) => sum + value, 0);
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
  const without = (start: number, end: number): number => {
    let sum = total;
    let size = values.length;
    for (let g = start; g < end; g += 1) {
      sum -= sums[g] ?? 0;
      size -= sizes[g] ?? 0;
    }
    return sum / size;
  };
  return correctedInterval({
    value: total / values.length,
    groups: groups.length,
    statistics,
    without,
    confidence,
  });
};

/**
 * Interval of any statistic of a corpus, such as macro-F1 or BLEU; a point where all resamples agree.
 * @param count samples of the corpus
 * @param statistic value of the resampled corpus that the given sample indices make up
 * @throws ShapeError; ConfigError for a statistic that is not finite
 */
export const bootstrapStatistic = (
  count: number,
  statistic: (indices: Int32Array) => number,
  options: BootstrapOptions,
): Interval => {
  const { random, resamples, confidence } = bootstrapSettings(options);
  const groups = gatherGroups(count, options.groups);
  const measure = (drawn: Iterable<readonly number[] | undefined>): number => {
    const indices: number[] = [];
    for (const group of drawn) for (const index of group ?? []) indices.push(index);
    const value = statistic(Int32Array.from(indices));
    if (Number.isFinite(value)) return value;
    throw new ConfigError(
      `bootstrap: expected a finite statistic of every resample, got ${value}; define it for resamples that lack a class or are all alike`,
    );
  };
  const statistics = new Float64Array(resamples);
  const drawn = new Array<readonly number[] | undefined>(groups.length);
  for (let r = 0; r < resamples; r += 1) {
    for (let g = 0; g < groups.length; g += 1) drawn[g] = groups[random.integer(groups.length)];
    statistics[r] = measure(drawn);
  }
  return correctedInterval({
    value: measure(groups),
    groups: groups.length,
    statistics,
    without: (start, end) => measure(groups.filter((_, g) => g < start || g >= end)),
    confidence,
  });
};
