/**
 * How far gradients of tasks or modalities agree, and how they fit and generalise: the diagnostics of SM^4 (appendix), as
 * numbers of plain arrays.
 *
 * P parameters · T gradients
 */
import { ShapeError } from '@polygate/core';

type Numbers = ArrayLike<number>;

const requireEqual = (all: readonly Numbers[]): number => {
  const [first] = all;
  const length = first?.length ?? 0;
  if (length === 0 || all.some((each) => each.length !== length)) {
    throw new ShapeError(
      `gradients: expected one or more of equal length, got ${all.map((each) => each.length).join(', ') || 'none'}; give those of the same parameters`,
      { fields: { lengths: all.map((each) => each.length) } },
    );
  }
  return length;
};

/** Cosine of two gradients, -1 to 1: below 0 a step of one undoes what the other does. 0 where one is all zeros. */
export const gradientCosine = (a: Numbers, b: Numbers): number => {
  const length = requireEqual([a, b]);
  let [product, ofA, ofB] = [0, 0, 0];
  for (let i = 0; i < length; i += 1) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    product += x * y;
    ofA += x * x;
    ofB += y * y;
  }
  return ofA === 0 || ofB === 0 ? 0 : product / Math.sqrt(ofA * ofB);
};

/**
 * Positive sign purity of each parameter over T gradients (Chen et al. 2020, GradDrop, Eq. 1): (1 + sum g / sum |g|) / 2, 1 where
 * all are positive, 0 where all are negative, 1/2 where they cancel. NaN where all are 0: nobody moves it.
 */
export const signPurity = (gradients: readonly Numbers[]): Float64Array => {
  const length = requireEqual(gradients);
  return Float64Array.from({ length }, (_, i) => {
    let [sum, magnitude] = [0, 0];
    for (const gradient of gradients) {
      sum += gradient[i] ?? 0;
      magnitude += Math.abs(gradient[i] ?? 0);
    }
    return magnitude === 0 ? Number.NaN : (1 + sum / magnitude) / 2;
  });
};

/** Shares of purities in equal bins from 0 to 1; the outer bins hold what gradients agree on. Those that are NaN count nowhere. */
export const purityHistogram = (purities: Numbers, bins = 5): readonly number[] => {
  const counts = new Array<number>(bins).fill(0);
  let total = 0;
  for (let i = 0; i < purities.length; i += 1) {
    const purity = purities[i] ?? Number.NaN;
    if (Number.isNaN(purity)) continue;
    const bin = Math.min(bins - 1, Math.floor(purity * bins));
    counts[bin] = (counts[bin] ?? 0) + 1;
    total += 1;
  }
  return counts.map((count) => (total === 0 ? 0 : count / total));
};

/** Affinity of task i to task j (Fifty et al. 2021): 1 - L_j after a step on i / L_j before; above 0 the step helped j. */
export const taskAffinity = (before: number, after: number): number => 1 - after / before;

/** Losses of a modality, or of a task. */
export interface FittedLosses {
  readonly training: number;
  readonly validation: number;
}

/** Validation loss less training loss: how much of what was learned is of the training rows alone. */
export const generalisationGap = ({ training, validation }: FittedLosses): number => validation - training;

/**
 * Weights of the modalities of a task by what they generalise (SM^4, appendix, after Wang et al. 2020):
 * w_m = L_val / (L_val - L_train), brought to a sum of 1. A modality without a gap has no finite weight and takes all.
 */
export const gradientBlend = (losses: readonly FittedLosses[]): readonly number[] => {
  const raw = losses.map(({ training, validation }) => validation / Math.abs(validation - training));
  const infinite = raw.filter((weight) => weight === Infinity).length;
  if (infinite > 0) return raw.map((weight) => (weight === Infinity ? 1 / infinite : 0));
  const sum = raw.reduce((total, weight) => total + weight, 0);
  return raw.map((weight) => weight / sum);
};
