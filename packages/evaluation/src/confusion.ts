/**
 * Confusion and what follows from it: F1 and the Matthews correlation. N samples · C classes. Counts are whole for
 * predictions and expected ones for scores with ties.
 */
import { ConfigError, requireWhole, ShapeError } from '@polygate/core';
import { bestOfRows, checkPair, classesOf, type Labels } from './classification.ts';

/** Their table of 2^28 counts takes 2 GiB. */
const MOST_CLASSES = 2 ** 14;

const checkClass = (
  name: string,
  index: number,
  at: { readonly classes: number; readonly i: number },
): void => {
  if (Number.isInteger(index) && index >= 0 && index < at.classes) return;
  throw new ConfigError(
    `${name}: expected classes from 0 to ${at.classes - 1}, got ${index} for sample ${at.i}`,
  );
};

/** Counts of (label, prediction), int32 [C, C]: row = label, column = prediction. @throws ConfigError, ShapeError */
export const confusionMatrix = (predicted: Labels, labels: Labels, classes: number): Int32Array => {
  checkPair('confusionMatrix', predicted, labels);
  requireWhole('confusionMatrix: classes', classes, { most: MOST_CLASSES });
  const counts = new Int32Array(classes * classes);
  for (let i = 0; i < labels.length; i += 1) {
    for (const index of [labels[i] ?? -1, predicted[i] ?? -1]) {
      checkClass('confusionMatrix', index, { classes, i });
    }
    const at = (labels[i] ?? 0) * classes + (predicted[i] ?? 0);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts;
};

/**
 * Expected counts of (label, prediction), float64 [C, C]: a sample with t equally good scores counts 1 / t for each. Where
 * there are no ties, the counts of {@link confusionMatrix}.
 * @param scores [N, C] row by row
 * @throws ShapeError, ConfigError for NaN and for labels outside the classes
 */
export const expectedConfusion = (scores: ArrayLike<number>, labels: Labels): Float64Array => {
  const classes = classesOf('expectedConfusion', scores, labels);
  requireWhole('expectedConfusion: classes', classes, { most: MOST_CLASSES });
  const counts = new Float64Array(classes * classes);
  for (const [i, best] of bestOfRows('expectedConfusion', scores, classes).entries()) {
    const label = labels[i] ?? -1;
    checkClass('expectedConfusion', label, { classes, i });
    for (const c of best) {
      const at = label * classes + c;
      counts[at] = (counts[at] ?? 0) + 1 / best.length;
    }
  }
  return counts;
};

/**
 * Macro-F1 of {@link expectedConfusion} as a function of the samples, for resampling: C counts instead of C x C.
 * @throws as {@link expectedConfusion}
 */
export const macroF1Statistic = (
  scores: ArrayLike<number>,
  labels: Labels,
): ((indices: ArrayLike<number>) => number) => {
  const classes = classesOf('macroF1Statistic', scores, labels);
  const best = bestOfRows('macroF1Statistic', scores, classes);
  for (let i = 0; i < labels.length; i += 1) checkClass('macroF1Statistic', labels[i] ?? -1, { classes, i });
  return (indices) => {
    const [hits, all] = [new Float64Array(classes), new Float64Array(classes)];
    for (let at = 0; at < indices.length; at += 1) {
      const i = indices[at] ?? 0;
      const label = labels[i] as number;
      const chosen = best[i] ?? [];
      all[label] = (all[label] as number) + 1;
      for (const c of chosen) {
        all[c] = (all[c] as number) + 1 / chosen.length;
        if (c === label) hits[c] = (hits[c] as number) + 1 / chosen.length;
      }
    }
    let [sum, count] = [0, 0];
    for (const [c, total] of all.entries()) {
      if (total === 0) continue;
      sum += (2 * (hits[c] as number)) / total;
      count += 1;
    }
    return count === 0 ? 0 : sum / count;
  };
};

/** Counts of each class, from a confusion matrix. */
export interface Marginals {
  readonly classes: number;
  readonly hits: Float64Array;
  /** Samples of each class. */
  readonly actual: Float64Array;
  /** Predictions of each class. */
  readonly predicted: Float64Array;
}

/** @throws ShapeError for counts that are not square; ConfigError for what is no count */
export const marginals = (confusion: ArrayLike<number>): Marginals => {
  const classes = Math.sqrt(confusion.length);
  if (!Number.isInteger(classes) || classes === 0) {
    throw new ShapeError(`confusion matrix: expected classes x classes counts, got ${confusion.length}`);
  }
  const hits = new Float64Array(classes);
  const actual = new Float64Array(classes);
  const predicted = new Float64Array(classes);
  for (let i = 0; i < classes; i += 1) {
    for (let j = 0; j < classes; j += 1) {
      const count = confusion[i * classes + j] ?? Number.NaN;
      if (!(count >= 0 && count <= Number.MAX_SAFE_INTEGER)) {
        throw new ConfigError(
          `confusion matrix: expected counts of 0 or more, got ${count} for label ${i} and prediction ${j}`,
        );
      }
      actual[i] = (actual[i] ?? 0) + count;
      predicted[j] = (predicted[j] ?? 0) + count;
      if (i === j) hits[i] = count;
    }
  }
  return { classes, hits, actual, predicted };
};

/**
 * F1 of each class, 2 hits / (samples + predictions); NaN for a class that neither occurs nor is predicted.
 */
export const classF1 = (confusion: ArrayLike<number>): Float64Array => {
  const { classes, hits, actual, predicted } = marginals(confusion);
  return Float64Array.from({ length: classes }, (_, c) => {
    const all = (actual[c] ?? 0) + (predicted[c] ?? 0);
    return all === 0 ? Number.NaN : (2 * (hits[c] ?? 0)) / all;
  });
};

/** @throws ShapeError for none */
export const requireSamples = (name: string, samples: number): void => {
  if (samples > 0) return;
  throw new ShapeError(`${name}: expected at least one sample, got none; is the split empty?`);
};

/** Mean F1 over the classes that occur or are predicted. @throws ShapeError for no samples */
export const macroF1 = (confusion: ArrayLike<number>): number => {
  const scores = [...classF1(confusion)].filter((score) => !Number.isNaN(score));
  requireSamples('macroF1', scores.length);
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
};

/**
 * Matthews correlation, from -1 to 1; for more than two classes Gorodkin's R_K (2004). 0 when the predictions or the
 * labels are all one class.
 * @throws ShapeError for no samples
 */
export const matthewsCorrelation = (confusion: ArrayLike<number>): number => {
  const { classes, hits, actual, predicted } = marginals(confusion);
  let total = 0;
  let right = 0;
  let product = 0;
  let actualSquares = 0;
  let predictedSquares = 0;
  for (let c = 0; c < classes; c += 1) {
    const a = actual[c] ?? 0;
    const p = predicted[c] ?? 0;
    total += a;
    right += hits[c] ?? 0;
    product += a * p;
    actualSquares += a * a;
    predictedSquares += p * p;
  }
  requireSamples('matthewsCorrelation', total);
  const scale = Math.sqrt((total * total - predictedSquares) * (total * total - actualSquares));
  return scale === 0 ? 0 : (right * total - product) / scale;
};
