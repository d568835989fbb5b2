/**
 * Interference between tasks, from measured changes of their losses (Uni-Perceiver-MoE, section 3.1).
 *
 * T tasks · N batches of each · i the task whose loss is looked at, b a batch of it · j the task that takes a step,
 * a a batch of it. A positive change is a loss that fell, so a negative interference is one that hurts.
 *
 *   Eq. 1   D_ij[b] = mean over a of change[i, j, b, a],  a = b left out
 *   Eq. 2   I_ij = mean over b of D_ij[b] / D_ii[b]
 *
 * Departs from it in what is reported beside the mean of ratios. A batch whose own progress D_ii[b] happens to be near 0
 * makes a ratio of any size, so that mean is carried by a few batches and need not settle as N grows. The ratio of
 * means, sum_b D_ij[b] / sum_b D_ii[b], asks the same question of the task instead of each batch and is the figure to
 * read; the median of the ratios shows a typical batch. Where the three disagree, trust the first.
 *
 * Errors treat batches as the unit, in both their roles: leaving out index k removes batch k of every task as a step and
 * as a loss (delete-one jackknife; for the median, which the jackknife does not fit, a bootstrap over the same indices).
 * Batches of different tasks are drawn independently, so leaving them out together adds up both tasks' variances.
 */
import { ConfigError, createRandom, ShapeError } from '@polygate/core';

/** Changes of losses by steps. */
export interface LossChanges {
  /** T */
  readonly tasks: number;
  /** N */
  readonly batches: number;
  /** [T, T, N, N] in the order (i, j, b, a), L before minus L after; NaN where nothing was measured. */
  readonly values: Float64Array;
}

/** A number and its standard error; NaN where it is not defined. */
export interface Estimate {
  readonly value: number;
  readonly standardError: number;
}

/** Interference of one task on another, three ways. */
export interface InterferenceCell {
  /** sum_b D_ij[b] / sum_b D_ii[b] */
  readonly ratio: Estimate;
  /** Eq. 2 as printed. */
  readonly mean: Estimate;
  /** Median over b of D_ij[b] / D_ii[b]. */
  readonly median: Estimate;
}

export interface InterferenceMatrix {
  /** `[i][j]`: what a step of task j does to task i, in units of what a step of task i does. The diagonal is 1. */
  readonly cells: readonly (readonly InterferenceCell[])[];
  /** `[i]`: mean over b of D_ii[b], the denominator. Within two standard errors of 0 the row of i says little. */
  readonly own: readonly Estimate[];
  /** `[i][j][b]`: D_ij[b]. */
  readonly effects: readonly (readonly (readonly number[])[])[];
}

export interface InterferenceOptions {
  /** Of the bootstrap. @default 1 */
  readonly seed?: number;
  /** Draws for the error of the median. @default 200 */
  readonly resamples?: number;
}

const LEAST_BATCHES = 3;

const check = ({ tasks, batches, values }: LossChanges): void => {
  if (!(batches >= LEAST_BATCHES)) {
    throw new ConfigError(
      `interference: expected at least ${LEAST_BATCHES} batches of each task, got ${batches}; errors need one to leave out and two to compare`,
      { fields: { batches } },
    );
  }
  const expected = tasks * tasks * batches * batches;
  if (values.length !== expected) {
    throw new ShapeError(
      `interference: expected ${expected} loss changes for ${tasks} tasks of ${batches} batches, got ${values.length}`,
      { fields: { expected, got: values.length } },
    );
  }
};

/** D_ij[b] with batches weighted; NaN for a b whose measured steps all have weight 0. */
const effectsOf = (
  { tasks, batches, values }: LossChanges,
  [i, j]: readonly [number, number],
  weights: ArrayLike<number>,
): Float64Array => {
  const effects = new Float64Array(batches);
  for (let b = 0; b < batches; b += 1) {
    const start = ((i * tasks + j) * batches + b) * batches;
    let sum = 0;
    let total = 0;
    for (let a = 0; a < batches; a += 1) {
      const change = values[start + a] ?? NaN;
      const weight = weights[a] ?? 0;
      if (weight === 0 || Number.isNaN(change)) continue;
      sum += weight * change;
      total += weight;
    }
    effects[b] = sum / total;
  }
  return effects;
};

/** Value below which half of the weight lies; the middle of the two when it falls between them. */
export const weightedMedian = (values: ArrayLike<number>, weights: ArrayLike<number>): number => {
  const order = Array.from(values, (_, at) => at)
    .filter((at) => (weights[at] ?? 0) > 0 && Number.isFinite(values[at]))
    .sort((x, y) => (values[x] ?? 0) - (values[y] ?? 0));
  const half = order.reduce((sum, at) => sum + (weights[at] ?? 0), 0) / 2;
  let before = 0;
  for (const [rank, at] of order.entries()) {
    before += weights[at] ?? 0;
    if (before === half) return ((values[at] ?? NaN) + (values[order[rank + 1] ?? at] ?? NaN)) / 2;
    if (before > half) return values[at] ?? NaN;
  }
  return NaN;
};

/** D_ij[b] / D_ii[b]; NaN for a batch that its own task does not move at all, or that has weight 0. */
const ratiosOf = (
  effects: Float64Array,
  selfEffects: Float64Array,
  weights: ArrayLike<number>,
): Float64Array =>
  effects.map((effect, b) => {
    const ratio = effect / (selfEffects[b] ?? NaN);
    return (weights[b] ?? 0) > 0 && Number.isFinite(ratio) ? ratio : NaN;
  });

/** sqrt((n - 1) / n * sum of squared deviations) of the n values that each lack one batch. */
const jackknifeError = (values: readonly number[]): number => {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  return Math.sqrt(((n - 1) / n) * values.reduce((sum, value) => sum + (value - mean) ** 2, 0));
};

const standardDeviation = (values: readonly number[]): number => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
};

/** Mean over the batches that have a value. */
const weightedMean = (values: ArrayLike<number>, weights: ArrayLike<number>): number => {
  let sum = 0;
  let total = 0;
  for (let b = 0; b < values.length; b += 1) {
    if ((weights[b] ?? 0) === 0 || Number.isNaN(values[b])) continue;
    sum += (weights[b] ?? 0) * (values[b] ?? 0);
    total += weights[b] ?? 0;
  }
  return sum / total;
};

/** Every weighting with which the batches are looked at: all once, each left out, and the bootstrap's draws. */
const weightings = (batches: number, { seed = 1, resamples = 200 }: InterferenceOptions) => {
  const all = new Float64Array(batches).fill(1);
  const without = Array.from({ length: batches }, (_, k) => all.map((one, at) => (at === k ? 0 : one)));
  const random = createRandom(seed).fork('interference');
  const drawn = Array.from({ length: resamples }, () => {
    const counts = new Float64Array(batches);
    for (let draw = 0; draw < batches; draw += 1) {
      const at = random.integer(batches);
      counts[at] = (counts[at] ?? 0) + 1;
    }
    return counts;
  });
  return { all, without, drawn };
};

/**
 * The interference matrix of measured changes.
 * @throws ConfigError for fewer than 3 batches; ShapeError for another number of changes
 */
export const interferenceMatrix = (
  changes: LossChanges,
  options: InterferenceOptions = {},
): InterferenceMatrix => {
  check(changes);
  const { tasks, batches } = changes;
  const { all, without, drawn } = weightings(batches, options);
  const indices = Array.from({ length: tasks }, (_, task) => task);
  const effectsWith = (weights: Float64Array): readonly (readonly Float64Array[])[] =>
    indices.map((i) => indices.map((j) => effectsOf(changes, [i, j], weights)));
  const effects = effectsWith(all);
  const left = without.map((weights) => ({ weights, effects: effectsWith(weights) }));
  const draws = drawn.map((weights) => ({ weights, effects: effectsWith(weights) }));

  const selfEffect = (i: number): Estimate => ({
    value: weightedMean(effects[i]?.[i] ?? [], all),
    standardError: jackknifeError(left.map((each) => weightedMean(each.effects[i]?.[i] ?? [], each.weights))),
  });
  const cell = (i: number, j: number): InterferenceCell => {
    const rows = (of: readonly (readonly Float64Array[])[]) =>
      [of[i]?.[j] as Float64Array, of[i]?.[i] as Float64Array] as const;
    const ratio = (of: typeof effects, weights: Float64Array): number => {
      const [top, bottom] = rows(of);
      return weightedMean(top, weights) / weightedMean(bottom, weights);
    };
    const mean = (of: typeof effects, weights: Float64Array): number =>
      weightedMean(ratiosOf(...rows(of), weights), weights);
    const median = (of: typeof effects, weights: Float64Array): number =>
      weightedMedian(ratiosOf(...rows(of), weights), weights);
    return {
      ratio: {
        value: ratio(effects, all),
        standardError: jackknifeError(left.map((each) => ratio(each.effects, each.weights))),
      },
      mean: {
        value: mean(effects, all),
        standardError: jackknifeError(left.map((each) => mean(each.effects, each.weights))),
      },
      median: {
        value: median(effects, all),
        // A draw of one batch over and over leaves no step to look at.
        standardError: standardDeviation(
          draws.map((each) => median(each.effects, each.weights)).filter(Number.isFinite),
        ),
      },
    };
  };
  return {
    cells: indices.map((i) => indices.map((j) => cell(i, j))),
    own: indices.map(selfEffect),
    effects: effects.map((row) => row.map((each) => Array.from(each))),
  };
};
