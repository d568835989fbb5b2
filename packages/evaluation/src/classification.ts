/**
 * Classification scores. N samples · C classes. Predictions and labels are class indices, one per sample; scores are
 * [N, C] row by row. Everything that is a mean over samples also comes sample by sample, for confidence intervals.
 */
import { ConfigError, ShapeError } from '@polygate/core';

/** Class indices, one per sample. */
export type Labels = ArrayLike<number>;

/** A mean and what it is the mean of. */
export interface SampleScores {
  readonly value: number;
  /** One value per sample, in the samples' order. */
  readonly perSample: Float64Array;
}

/** The mean of per-sample values. @throws ShapeError when there are none */
export const meanScore = (perSample: Float64Array): SampleScores => {
  if (perSample.length === 0) {
    throw new ShapeError('score: expected at least one sample, got none; is the split empty?');
  }
  let sum = 0;
  for (const value of perSample) sum += value;
  return Object.freeze({ value: sum / perSample.length, perSample });
};

const checkPair = (name: string, predicted: ArrayLike<number>, labels: ArrayLike<number>): void => {
  if (predicted.length === labels.length) return;
  throw new ShapeError(
    `${name}: expected one prediction per label, got ${predicted.length} predictions and ${labels.length} labels`,
  );
};

/** Share of samples whose prediction is the label. @throws ShapeError */
export const accuracy = (predicted: Labels, labels: Labels): SampleScores => {
  checkPair('accuracy', predicted, labels);
  return meanScore(
    Float64Array.from({ length: labels.length }, (_, i) => (predicted[i] === labels[i] ? 1 : 0)),
  );
};

/**
 * Rank of each label among its sample's scores, 0 for the best. Equal scores rank by index, as a stable sort leaves
 * them, so that a model that scores everything alike gains nothing by it.
 * @throws ShapeError for wrong sizes, ConfigError for a label outside the classes or a score that is not a number
 */
export const labelRanks = (scores: ArrayLike<number>, labels: Labels): Int32Array => {
  const classes = scores.length / labels.length;
  if (!Number.isInteger(classes) || classes === 0) {
    throw new ShapeError(
      `labelRanks: expected scores of [labels, classes] for ${labels.length} labels, got ${scores.length} values`,
    );
  }
  return Int32Array.from({ length: labels.length }, (_, i) => {
    const label = labels[i] ?? -1;
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new ConfigError(
        `labelRanks: expected labels from 0 to ${classes - 1}, got ${label} for sample ${i}`,
      );
    }
    const own = scores[i * classes + label] ?? Number.NaN;
    let rank = 0;
    for (let c = 0; c < classes; c += 1) {
      const other = scores[i * classes + c] ?? Number.NaN;
      if (Number.isNaN(other)) {
        throw new ConfigError(
          `labelRanks: expected numbers, got NaN for sample ${i}, class ${c}; has the model diverged?`,
          {
            code: 'nan-score',
          },
        );
      }
      if (other > own || (other === own && c < label)) rank += 1;
    }
    return rank;
  });
};

/** Share of ranks below k: top-k accuracy of {@link labelRanks}. */
export const topK = (ranks: ArrayLike<number>, k: number): SampleScores =>
  meanScore(Float64Array.from({ length: ranks.length }, (_, i) => ((ranks[i] ?? Infinity) < k ? 1 : 0)));

/** Top-k accuracy of scores [N, C]. @throws as {@link labelRanks} */
export const topKAccuracy = (scores: ArrayLike<number>, labels: Labels, k: number): SampleScores =>
  topK(labelRanks(scores, labels), k);

/** Index of the best score of each row; the first of equal ones. @throws ShapeError, ConfigError for NaN */
export const argmaxRows = (scores: ArrayLike<number>, classes: number): Int32Array => {
  if (!(classes > 0) || scores.length % classes !== 0) {
    throw new ShapeError(`argmaxRows: expected rows of ${classes} scores, got ${scores.length} values`);
  }
  return Int32Array.from({ length: scores.length / classes }, (_, i) => {
    let best = 0;
    for (let c = 0; c < classes; c += 1) {
      const score = scores[i * classes + c] ?? Number.NaN;
      if (Number.isNaN(score)) {
        throw new ConfigError(`argmaxRows: expected numbers, got NaN in row ${i}; has the model diverged?`, {
          code: 'nan-score',
        });
      }
      if (score > (scores[i * classes + best] ?? 0)) best = c;
    }
    return best;
  });
};

/** Counts of (label, prediction), int32 [C, C]: row = label, column = prediction. @throws ConfigError, ShapeError */
export const confusionMatrix = (predicted: Labels, labels: Labels, classes: number): Int32Array => {
  checkPair('confusionMatrix', predicted, labels);
  const counts = new Int32Array(classes * classes);
  for (let i = 0; i < labels.length; i += 1) {
    for (const index of [labels[i] ?? -1, predicted[i] ?? -1]) {
      if (!(Number.isInteger(index) && index >= 0 && index < classes)) {
        throw new ConfigError(
          `confusionMatrix: expected classes from 0 to ${classes - 1}, got ${index} for sample ${i}`,
        );
      }
    }
    const at = (labels[i] ?? 0) * classes + (predicted[i] ?? 0);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts;
};

interface Marginals {
  readonly classes: number;
  readonly hits: Float64Array;
  /** Samples of each class. */
  readonly actual: Float64Array;
  /** Predictions of each class. */
  readonly predicted: Float64Array;
}

const marginals = (confusion: Int32Array): Marginals => {
  const classes = Math.sqrt(confusion.length);
  if (!Number.isInteger(classes) || classes === 0) {
    throw new ShapeError(`confusion matrix: expected classes x classes counts, got ${confusion.length}`);
  }
  const hits = new Float64Array(classes);
  const actual = new Float64Array(classes);
  const predicted = new Float64Array(classes);
  for (let i = 0; i < classes; i += 1) {
    for (let j = 0; j < classes; j += 1) {
      const count = confusion[i * classes + j] ?? 0;
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
export const classF1 = (confusion: Int32Array): Float64Array => {
  const { classes, hits, actual, predicted } = marginals(confusion);
  return Float64Array.from({ length: classes }, (_, c) => {
    const all = (actual[c] ?? 0) + (predicted[c] ?? 0);
    return all === 0 ? Number.NaN : (2 * (hits[c] ?? 0)) / all;
  });
};

/** Mean F1 over the classes that occur or are predicted. */
export const macroF1 = (confusion: Int32Array): number => {
  const scores = [...classF1(confusion)].filter((score) => !Number.isNaN(score));
  return scores.length === 0 ? 0 : scores.reduce((sum, score) => sum + score, 0) / scores.length;
};

/**
 * Matthews correlation, from -1 to 1; for more than two classes Gorodkin's R_K (2004). 0 when the predictions or the
 * labels are all one class.
 */
export const matthewsCorrelation = (confusion: Int32Array): number => {
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
  const scale = Math.sqrt((total * total - predictedSquares) * (total * total - actualSquares));
  return scale === 0 ? 0 : (right * total - product) / scale;
};
