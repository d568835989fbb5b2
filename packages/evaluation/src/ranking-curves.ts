/**
 * Average precision and the area under the ROC curve: how well scores rank what is right above what is not. N samples ·
 * C classes.
 *
 * Equal scores are one threshold, as in scikit-learn: AUROC counts a tie of a positive and a negative as half, average
 * precision takes all samples of a tie at once. Scores that are all equal have an AUROC of 1/2 and an average precision of
 * the share of positives, which is chance.
 */
import { ConfigError, ShapeError, unknownName } from '@polygate/core';
import { classAverages, type ClassAverage } from './class-scores.ts';

/** A score of a ranking of samples; `positive` is not 0 where a sample is right. */
export type RankingScore = (scores: ArrayLike<number>, positive: ArrayLike<number>) => number;

/** Samples with one score. */
interface Tie {
  readonly positives: number;
  readonly count: number;
}

/** Ties from the highest score down. @throws ShapeError; ConfigError for NaN and for classes of one kind */
const tiesOf = (
  name: string,
  scores: ArrayLike<number>,
  positive: ArrayLike<number>,
): { readonly ties: readonly Tie[]; readonly positives: number; readonly negatives: number } => {
  if (scores.length !== positive.length || scores.length === 0) {
    throw new ShapeError(
      `${name}: expected scores and as many labels, one or more, got ${scores.length} scores and ${positive.length} labels`,
    );
  }
  for (let i = 0; i < scores.length; i += 1) {
    const of = Number.isNaN(scores[i]) ? 'score' : Number.isNaN(positive[i]) ? 'label' : undefined;
    if (of === undefined) continue;
    throw new ConfigError(`${name}: expected numbers, got NaN as ${of} of sample ${i}`, {
      code: 'nan-score',
    });
  }
  const order = Array.from(scores, (_, i) => i).sort((a, b) => {
    const [left, right] = [scores[a] ?? 0, scores[b] ?? 0];
    return left === right ? 0 : right > left ? 1 : -1;
  });
  const ties: { positives: number; count: number }[] = [];
  let last: number | undefined;
  let positives = 0;
  for (const i of order) {
    if (scores[i] !== last || ties.length === 0) ties.push({ positives: 0, count: 0 });
    last = scores[i];
    const tie = ties.at(-1);
    if (!tie) continue;
    tie.count += 1;
    if (positive[i] === 0) continue;
    tie.positives += 1;
    positives += 1;
  }
  return { ties, positives, negatives: scores.length - positives };
};

const oneClass = (name: string, missing: 'positive' | 'negative', count: number): ConfigError =>
  new ConfigError(
    `${name}: expected at least one ${missing} sample, got none among ${count}; leave the class out`,
    { code: 'one-class', fields: { missing } },
  );

/**
 * Average precision: the mean precision at each positive, sum of (R_k - R_k-1) P_k over the thresholds, without
 * interpolation.
 * @throws ShapeError; ConfigError for NaN, and (code `one-class`) without a positive
 */
export const averagePrecision: RankingScore = (scores, positive) => {
  const { ties, positives } = tiesOf('averagePrecision', scores, positive);
  if (positives === 0) throw oneClass('averagePrecision', 'positive', scores.length);
  let [hits, taken, sum] = [0, 0, 0];
  for (const tie of ties) {
    hits += tie.positives;
    taken += tie.count;
    sum += (tie.positives * hits) / taken;
  }
  return sum / positives;
};

/**
 * Area under the ROC curve: the probability that a positive has a higher score than a negative (Mann and Whitney).
 * @throws ShapeError; ConfigError for NaN, and (code `one-class`) without a positive or without a negative
 */
export const areaUnderRoc: RankingScore = (scores, positive) => {
  const { ties, positives, negatives } = tiesOf('areaUnderRoc', scores, positive);
  if (positives === 0) throw oneClass('areaUnderRoc', 'positive', scores.length);
  if (negatives === 0) throw oneClass('areaUnderRoc', 'negative', scores.length);
  let [above, wins] = [0, 0];
  for (const tie of ties) {
    const others = tie.count - tie.positives;
    wins += others * (above + tie.positives / 2);
    above += tie.positives;
  }
  return wins / positives / negatives;
};

/** A ranking score of several classes. */
export interface ClassRankings {
  readonly value: number;
  /** [C] NaN for a class that has no score: without a positive, or, for AUROC, without a negative. */
  readonly perClass: Float64Array;
  /** Classes that have a score; the others have no part in the value. */
  readonly counted: number;
}

export interface ClassRankingOptions {
  /** [N, C] row by row, not 0 where a sample has a class; see {@link oneVersusRest} for one class each. */
  readonly positive: ArrayLike<number>;
  readonly classes: number;
  /** `micro` ranks all N * C pairs together. @default 'macro' */
  readonly average?: ClassAverage;
}

const columnOf = (values: ArrayLike<number>, column: number, classes: number): Float64Array =>
  Float64Array.from(
    { length: values.length / classes },
    (_, i) => values[i * classes + column] ?? Number.NaN,
  );

/**
 * A ranking score by class, and averaged: for labels of which a sample has any number, and for one-versus-rest.
 * @param score {@link averagePrecision} or {@link areaUnderRoc}
 * @param scores [N, C] row by row
 * @throws ShapeError; ConfigError for NaN, an unknown average, and (code `one-class`) where no class has a score
 */
export const averageOverClasses = (
  score: RankingScore,
  scores: ArrayLike<number>,
  options: ClassRankingOptions,
): ClassRankings => {
  const { positive, classes, average = 'macro' } = options;
  if (!classAverages.includes(average)) throw unknownName('average of classes', average, classAverages);
  const rows = scores.length / classes;
  if (!Number.isInteger(rows) || rows === 0 || positive.length !== scores.length) {
    throw new ShapeError(
      `averageOverClasses: expected scores and labels of [samples, ${classes} classes], got ${scores.length} and ${positive.length} values`,
    );
  }
  const weights = new Float64Array(classes);
  const perClass = Float64Array.from({ length: classes }, (_, c) => {
    const labels = columnOf(positive, c, classes);
    weights[c] = labels.reduce((sum, label) => sum + Number(label !== 0), 0);
    try {
      return score(columnOf(scores, c, classes), labels);
    } catch (error) {
      if (error instanceof ConfigError && error.code === 'one-class') return Number.NaN;
      throw error;
    }
  });
  const counted = perClass.reduce((sum, value) => sum + Number(!Number.isNaN(value)), 0);
  if (average === 'micro') return Object.freeze({ value: score(scores, positive), perClass, counted });
  if (counted === 0) {
    throw new ConfigError(
      `averageOverClasses: expected a class with positive and negative samples, got none among ${classes}`,
      { code: 'one-class' },
    );
  }
  let [sum, weight] = [0, 0];
  for (const [c, value] of perClass.entries()) {
    if (Number.isNaN(value)) continue;
    const share = average === 'weighted' ? (weights[c] ?? 0) : 1;
    sum += share * value;
    weight += share;
  }
  return Object.freeze({ value: sum / weight, perClass, counted });
};

/** Labels of one class each as [N, C] of zeros and ones. @throws ConfigError for a label outside the classes */
export const oneVersusRest = (labels: ArrayLike<number>, classes: number): Uint8Array => {
  const positive = new Uint8Array(labels.length * classes);
  for (let i = 0; i < labels.length; i += 1) {
    const label = labels[i] ?? Number.NaN;
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new ConfigError(
        `oneVersusRest: expected labels from 0 to ${classes - 1}, got ${label} for sample ${i}`,
      );
    }
    positive[i * classes + label] = 1;
  }
  return positive;
};
