/**
 * The interval of a mean over samples, by what the samples are.
 *
 * - Zeros and ones: Clopper-Pearson. Where samples come in groups, its counts are those of as many independent samples
 *   as the spread between groups shows (Korn and Graubard, 1998), never fewer than there are groups.
 * - Other values: the studentized bootstrap (Efron and Tibshirani, 1993, section 12.5) over groups. Of a range that is
 *   known, no end is further out than that of zeros and ones with the same mean, which spread the most.
 * - One group, or values that are all equal: the samples show no spread. A known range still gives an interval, that of
 *   zeros and ones; without one the ends are infinite.
 */
import { ConfigError, ShapeError } from '@polygate/core';
import {
  bootstrapSettings,
  gatherGroups,
  quantile,
  type BootstrapOptions,
  type BootstrapSettings,
  type Interval,
} from './bootstrap.ts';
import { studentQuantile } from './distributions.ts';
import { effectiveInterval } from './proportions.ts';

export interface MeanOptions extends BootstrapOptions {
  /**
   * Least and greatest value that the metric can take; infinite where there is no bound.
   * @default [0, 1] when every value is 0 or 1, otherwise without bounds
   */
  readonly range?: Interval;
}

/** Sums and sizes of the groups, and what follows from them. */
interface Clusters {
  readonly sums: Float64Array;
  readonly sizes: Float64Array;
  readonly mean: number;
  /** Standard error of the mean as the ratio of two sums over groups; NaN for one group. */
  readonly error: number;
  /** Groups of equal size that would weigh as these do (Kish, 1965). */
  readonly effective: number;
}

const clustersOf = (values: ArrayLike<number>, groups: readonly (readonly number[])[]): Clusters => {
  const sums = Float64Array.from(groups, (group) => group.reduce((sum, i) => sum + (values[i] ?? 0), 0));
  const sizes = Float64Array.from(groups, (group) => group.length);
  const mean = sums.reduce((sum, total) => sum + total, 0) / values.length;
  let residues = 0;
  let squares = 0;
  for (const [g, sum] of sums.entries()) {
    const size = sizes[g] ?? 0;
    residues += (sum - mean * size) ** 2;
    squares += size * size;
  }
  const spread = (residues * groups.length) / (groups.length - 1);
  return {
    sums,
    sizes,
    mean,
    error: groups.length === 1 ? Number.NaN : Math.sqrt(spread) / values.length,
    effective: values.length ** 2 / squares,
  };
};

/** Zeros and ones in groups: as many independent samples as make the same standard error. */
const shareInterval = (clusters: Clusters, count: number, confidence: number): Interval => {
  const { mean, error, effective, sums } = clusters;
  if (sums.length === count) return effectiveInterval(mean, count, confidence);
  if (!(error > 0)) return effectiveInterval(mean, effective, confidence);
  const student = (freedom: number): number => studentQuantile((1 + confidence) / 2, freedom);
  const freedomLost = student(count - 1) / student(sums.length - 1);
  const size = ((mean * (1 - mean)) / error ** 2) * freedomLost ** 2;
  return effectiveInterval(mean, Math.max(effective, Math.min(count, size)), confidence);
};

/** Quantiles of (resampled mean - mean) / resampled standard error, low and high. */
const studentizedTails = (
  { sums, sizes, mean }: Clusters,
  { random, resamples, confidence }: BootstrapSettings,
): Interval => {
  const groups = sums.length;
  const scale = Math.sqrt(groups / (groups - 1));
  const ratios = new Float64Array(resamples);
  for (let r = 0; r < resamples; r += 1) {
    let [sum, size, sumSquares, products, sizeSquares] = [0, 0, 0, 0, 0];
    for (let g = 0; g < groups; g += 1) {
      const drawn = random.integer(groups);
      const n = sizes[drawn] as number;
      // About the mean, so that the squares do not cancel.
      const s = (sums[drawn] as number) - mean * n;
      sum += s;
      size += n;
      sumSquares += s * s;
      products += s * n;
      sizeSquares += n * n;
    }
    const shift = sum / size;
    const residues = sumSquares - 2 * shift * products + shift * shift * sizeSquares;
    const error = (scale * Math.sqrt(Math.max(0, residues))) / size;
    // Resamples of equal values show no spread, up to rounding.
    ratios[r] = residues > 1e-12 * sumSquares ? shift / error : shift * Number.POSITIVE_INFINITY || 0;
  }
  const sorted = ratios.sort();
  const tail = (1 - confidence) / 2;
  return [quantile(sorted, tail), quantile(sorted, 1 - tail)];
};

const studentizedInterval = (clusters: Clusters, settings: BootstrapSettings, widest: Interval): Interval => {
  const { mean, error, sums } = clusters;
  const [low, high] = studentizedTails(clusters, settings);
  const reach = error * studentQuantile((1 + settings.confidence) / 2, sums.length - 1);
  // Where many resamples show no spread, the samples are few or much alike: the range is the better guide, or Student's t.
  const end = (ratio: number, limit: number, student: number): number => {
    if (Number.isFinite(ratio)) return mean - error * ratio;
    return Number.isFinite(limit) ? limit : student;
  };
  return [
    Math.max(end(high, widest[0], mean - reach), widest[0]),
    Math.min(end(low, widest[1], mean + reach), widest[1]),
  ];
};

const unknown: Interval = Object.freeze([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const);

const checkRange = ([least, greatest]: Interval): void => {
  if (least < greatest) return;
  throw new ConfigError(
    `interval: expected a range from the least to the greatest value, got ${least} to ${greatest}`,
  );
};

/** The interval of zeros and ones with the same mean, on the scale of a range. Without bounds there is none. */
export const widestInterval = (
  mean: number,
  effective: number,
  { range: [least, greatest], confidence }: { readonly range: Interval; readonly confidence: number },
): Interval => {
  const width = greatest - least;
  if (!Number.isFinite(width)) return [least, greatest];
  const [low, high] = effectiveInterval((mean - least) / width, effective, confidence);
  return [least + low * width, least + high * width];
};

/**
 * Interval of the mean of per-sample values, see the head of this file. Its ends are infinite where nothing is known of
 * the spread, and such an interval never beats chance.
 * @throws ShapeError for no values; ConfigError for values that are not finite or outside the range
 */
export const meanInterval = (values: ArrayLike<number>, options: MeanOptions): Interval => {
  const settings = bootstrapSettings(options);
  const groups = gatherGroups(values.length, options.groups);
  let binary = true;
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] ?? Number.NaN;
    if (!Number.isFinite(value)) {
      throw new ConfigError(
        `interval: expected finite values, got ${value} for sample ${i}; has the model diverged?`,
        { code: 'nan-score' },
      );
    }
    least = Math.min(least, value);
    greatest = Math.max(greatest, value);
    binary &&= value === 0 || value === 1;
  }
  const range = options.range ?? (binary ? ([0, 1] as const) : unknown);
  checkRange(range);
  // Sums of shares may end a rounding above 1.
  const slack = 1e-9 * Math.max(1, Math.abs(least), Math.abs(greatest));
  if (least < range[0] - slack || greatest > range[1] + slack) {
    throw new ConfigError(
      `interval: expected values from ${range[0]} to ${range[1]}, got values from ${least} to ${greatest}; set range to what the metric can be`,
    );
  }
  const clusters = clustersOf(values, groups);
  const { confidence } = settings;
  if (binary && range[0] === 0 && range[1] === 1) {
    return shareInterval(clusters, values.length, confidence);
  }
  const widest = widestInterval(clusters.mean, clusters.effective, { range, confidence });
  if (groups.length === 1 || least === greatest) return Object.freeze(widest);
  // Groups that all have the same mean show no spread either, though their samples do.
  if (!(clusters.error > 1e-12 * (greatest - least))) return Object.freeze(widest);
  return Object.freeze(studentizedInterval(clusters, settings, widest));
};

export interface PairedDifference {
  /** Mean of a minus mean of b. */
  readonly value: number;
  readonly interval: Interval;
}

const areBinary = (values: ArrayLike<number>): boolean =>
  Array.prototype.every.call(values, (value: number) => value === 0 || value === 1);

/**
 * Difference of two systems on the same samples, drawn in pairs. Differences of zeros and ones have the range from -1 to
 * 1, others none: where they are the same for all of two groups or more, the interval is a point.
 * @throws ShapeError; ConfigError for scores that are not finite
 */
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
  const binary = areBinary(a) && areBinary(b);
  const interval = meanInterval(differences, { ...options, range: binary ? [-1, 1] : unknown });
  const value = differences.reduce((sum, d) => sum + d, 0) / differences.length;
  const several = gatherGroups(a.length, options.groups).length > 1;
  const same = !binary && several && differences.every((difference) => difference === differences[0]);
  return Object.freeze({ value, interval: same ? Object.freeze([value, value] as const) : interval });
};
