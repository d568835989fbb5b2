/**
 * Precision, recall and F1 by class and averaged, balanced accuracy and Cohen's kappa, all from counts of
 * (label, prediction). C classes. Counts are whole for predictions, expected ones for scores with ties.
 *
 * As scikit-learn's `precision_recall_fscore_support`, `balanced_accuracy_score` and `cohen_kappa_score`, with its
 * `zero_division=0`: what is a share of nothing is 0 where the class takes part at all.
 */
import { ShapeError, unknownName } from '@polygate/core';
import { marginals, requireSamples } from './confusion.ts';

/**
 * How scores of classes become one: `micro` over all samples, `macro` the mean over the classes that occur or are
 * predicted, `weighted` their mean by how often they occur.
 */
export type ClassAverage = 'micro' | 'macro' | 'weighted';

export const classAverages: readonly ClassAverage[] = Object.freeze(['micro', 'macro', 'weighted']);

/** Scores of one class against all others. */
export interface ClassScore {
  /** Right predictions of the class among all predictions of it. */
  readonly precision: number;
  /** Right predictions of the class among all samples of it. */
  readonly recall: number;
  /** Their harmonic mean, 2 hits / (samples + predictions). */
  readonly f1: number;
  /** Samples of the class. */
  readonly samples: number;
  /** Predictions of the class. */
  readonly predictions: number;
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

const scoreOf = (hits: number, samples: number, predictions: number): ClassScore => ({
  precision: ratio(hits, predictions),
  recall: ratio(hits, samples),
  f1: ratio(2 * hits, samples + predictions),
  samples,
  predictions,
});

/**
 * Scores of every class, in their order.
 * @param confusion [C, C] counts, row = label, column = prediction
 * @throws ShapeError, ConfigError as {@link macroF1}
 */
export const classScores = (confusion: ArrayLike<number>): readonly ClassScore[] => {
  const { classes, hits, actual, predicted } = marginals(confusion);
  return Array.from({ length: classes }, (_, c) =>
    Object.freeze(scoreOf(hits[c] ?? 0, actual[c] ?? 0, predicted[c] ?? 0)),
  );
};

/**
 * Precision, recall and F1 of all classes. Micro-averaged, all three are the accuracy; a class that neither occurs nor is
 * predicted has no part in `macro`.
 * @param confusion [C, C] counts, row = label, column = prediction
 * @throws ShapeError for no samples; ConfigError for an unknown average (lists the known ones)
 */
export const averageClassScores = (confusion: ArrayLike<number>, average: ClassAverage): ClassScore => {
  if (!classAverages.includes(average)) throw unknownName('average of classes', average, classAverages);
  const all = classScores(confusion);
  const total = (of: (score: ClassScore) => number): number => all.reduce((sum, score) => sum + of(score), 0);
  const samples = total((score) => score.samples);
  requireSamples('averageClassScores', samples);
  const predictions = total((score) => score.predictions);
  if (average === 'micro') {
    return Object.freeze(
      scoreOf(
        total((score) => score.recall * score.samples),
        samples,
        predictions,
      ),
    );
  }
  const weightOf = (score: ClassScore): number =>
    average === 'weighted' ? score.samples : Number(score.samples + score.predictions > 0);
  const weights = total(weightOf);
  const mean = (of: (score: ClassScore) => number): number =>
    total((score) => weightOf(score) * of(score)) / weights;
  return Object.freeze({
    precision: mean((score) => score.precision),
    recall: mean((score) => score.recall),
    f1: mean((score) => score.f1),
    samples,
    predictions,
  });
};

/**
 * Balanced accuracy: the mean recall of the classes that occur, so that a frequent class counts no more than a rare one.
 * Always answering one class has 1 / C.
 * @param confusion [C, C] counts, row = label, column = prediction
 * @throws ShapeError for no samples
 */
export const balancedAccuracy = (confusion: ArrayLike<number>): number => {
  const occurring = classScores(confusion).filter(({ samples }) => samples > 0);
  requireSamples('balancedAccuracy', occurring.length);
  return occurring.reduce((sum, { recall }) => sum + recall, 0) / occurring.length;
};

/** {@link balancedAccuracy} of samples that may be drawn again, for resampling. */
export const balancedAccuracyStatistic = (
  hits: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
): ((indices: ArrayLike<number>) => number) => {
  if (hits.length !== labels.length) {
    throw new ShapeError(
      `balancedAccuracyStatistic: expected a hit for each of ${labels.length} labels, got ${hits.length}`,
    );
  }
  return (indices) => {
    const [right, all] = [new Float64Array(classes), new Float64Array(classes)];
    for (let at = 0; at < indices.length; at += 1) {
      const i = indices[at] ?? 0;
      const label = labels[i] ?? 0;
      all[label] = (all[label] ?? 0) + 1;
      right[label] = (right[label] ?? 0) + (hits[i] ?? 0);
    }
    let [sum, occurring] = [0, 0];
    for (const [c, count] of all.entries()) {
      if (count === 0) continue;
      sum += (right[c] ?? 0) / count;
      occurring += 1;
    }
    return sum / occurring;
  };
};

/** How far apart two classes count: all the same, or by the distance of their numbers or its square. */
export type KappaWeights = 'none' | 'linear' | 'quadratic';

const distances: Readonly<Record<KappaWeights, (a: number, b: number) => number>> = {
  none: (a, b) => Number(a !== b),
  linear: (a, b) => Math.abs(a - b),
  quadratic: (a, b) => (a - b) ** 2,
};

/**
 * Cohen's kappa (1960): agreement beyond that of two who answer independently with the same frequencies, 1 for the same
 * answers, 0 for chance. Where both give one and the same class alone, chance agrees as well and kappa is 0.
 * @param confusion [C, C] counts, row = label, column = prediction
 * @param weights for classes that have an order (Cohen, 1968) @default 'none'
 * @throws ShapeError for no samples; ConfigError for unknown weights (lists the known ones)
 */
export const cohensKappa = (confusion: ArrayLike<number>, weights: KappaWeights = 'none'): number => {
  const distance = Object.hasOwn(distances, weights) ? distances[weights] : undefined;
  if (!distance) throw unknownName('weights of kappa', weights, Object.keys(distances));
  const { classes, actual, predicted } = marginals(confusion);
  const total = actual.reduce((sum, count) => sum + count, 0);
  requireSamples('cohensKappa', total);
  let [observed, expected] = [0, 0];
  for (let i = 0; i < classes; i += 1) {
    for (let j = 0; j < classes; j += 1) {
      const apart = distance(i, j);
      observed += apart * (confusion[i * classes + j] ?? 0);
      expected += (apart * (actual[i] ?? 0) * (predicted[j] ?? 0)) / total;
    }
  }
  return expected === 0 ? 0 : 1 - observed / expected;
};
