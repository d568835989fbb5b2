/**
 * Predictions and accuracy. N samples · C classes. Predictions and labels are class indices, one per sample; scores are
 * [N, C] row by row. Everything that is a mean over samples also comes sample by sample, for confidence intervals.
 */
import { ConfigError, createRandom, ShapeError } from '@polygate/core';

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

/** @throws ShapeError unless there is a prediction for each label */
export const checkPair = (name: string, predicted: ArrayLike<number>, labels: ArrayLike<number>): void => {
  if (predicted.length === labels.length) return;
  throw new ShapeError(
    `${name}: expected one prediction per label, got ${predicted.length} predictions and ${labels.length} labels`,
  );
};

/** Share of samples whose prediction is the label. @throws ShapeError, ConfigError for NaN, which is no miss */
export const accuracy = (predicted: Labels, labels: Labels): SampleScores => {
  checkPair('accuracy', predicted, labels);
  return meanScore(
    Float64Array.from({ length: labels.length }, (_, i) => {
      for (const [of, index] of [['prediction', predicted[i]] as const, ['label', labels[i]] as const]) {
        if (index === undefined || Number.isNaN(index)) {
          throw new ConfigError(`accuracy: expected numbers, got ${index} as ${of} of sample ${i}`, {
            code: 'nan-score',
          });
        }
      }
      return predicted[i] === labels[i] ? 1 : 0;
    }),
  );
};

/**
 * Index of the best score of each row. Of equally good ones the seed and the row draw one, so that a model that scores
 * everything alike predicts the first class no more often than another; {@link expectedConfusion} and
 * {@link topKAccuracy} need no draw.
 * @param options its seed is 1 unless told
 * @throws ShapeError, ConfigError for NaN
 */
export const argmaxRows = (
  scores: ArrayLike<number>,
  classes: number,
  options: { readonly seed?: number } = {},
): Int32Array => {
  const { seed = 1 } = options;
  const random = createRandom(seed).fork('ties');
  return Int32Array.from(bestOfRows('argmaxRows', scores, classes), (best, row) =>
    best.length === 1 ? (best[0] ?? -1) : (best[random.fork(row).integer(best.length)] ?? -1),
  );
};

/** Classes with the best score of each row, one unless there are ties. @throws ShapeError, ConfigError for NaN */
export const bestOfRows = (
  name: string,
  scores: ArrayLike<number>,
  classes: number,
): readonly (readonly number[])[] => {
  if (!(Number.isInteger(classes) && classes > 0) || scores.length % classes !== 0) {
    throw new ShapeError(`${name}: expected rows of ${classes} scores, got ${scores.length} values`);
  }
  return Array.from({ length: scores.length / classes }, (_, row) => {
    let most = Number.NEGATIVE_INFINITY;
    let best: number[] = [];
    for (let c = 0; c < classes; c += 1) {
      const score = scores[row * classes + c] ?? Number.NaN;
      if (Number.isNaN(score)) {
        throw new ConfigError(`${name}: expected numbers, got NaN in row ${row}; has the model diverged?`, {
          code: 'nan-score',
        });
      }
      if (score > most) best = [];
      if (score >= most) best.push(c);
      most = Math.max(most, score);
    }
    return best;
  });
};

/** Classes of scores [N, C] of N labels. @throws ShapeError */
export const classesOf = (name: string, scores: ArrayLike<number>, labels: Labels): number => {
  const classes = scores.length / labels.length;
  if (Number.isInteger(classes) && classes > 0) return classes;
  throw new ShapeError(
    `${name}: expected scores of [labels, classes] for ${labels.length} labels, got ${scores.length} values`,
  );
};
