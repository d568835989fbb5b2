/**
 * What more is said of a classification than top-k and macro-F1: balanced accuracy with a table of classes, and how well
 * the model's probabilities are calibrated.
 */
import { ConfigError } from '@polygate/core';
import {
  areaUnderRoc,
  averageClassScores,
  averageOverClasses,
  averagePrecision,
  balancedAccuracyStatistic,
  brierScore,
  calibrationOf,
  classAverages,
  classScores,
  confidencesOf,
  expectedConfusion,
  labelRanks,
  negativeLogLikelihood,
  oneVersusRest,
  reportMean,
  reportStatistic,
  topK,
  type ClassRow,
  type ScoreReport,
  type ScoreTables,
} from '@polygate/evaluation';
import { softmaxRows } from '../scores.ts';
import type { ClassScores } from './class-scores.ts';

export interface DetailedScores extends Omit<ClassScores, 'classes'> {
  /** Names of the C classes. */
  readonly classes: readonly string[];
}

/** A row for each class, then one for each average. */
const classTable = (
  { scores, labels, classes }: DetailedScores,
  confusion: ArrayLike<number>,
): Required<Pick<ScoreTables, 'classes' | 'averages'>> => {
  const positive = oneVersusRest(labels, classes.length);
  const rankings = { auroc: areaUnderRoc, averagePrecision } as const;
  const over = (name: keyof typeof rankings, average: (typeof classAverages)[number]) => {
    try {
      return averageOverClasses(rankings[name], scores, { positive, classes: classes.length, average });
    } catch (error) {
      // Of one class alone nothing is ranked above anything.
      if (error instanceof ConfigError && error.code === 'one-class') return undefined;
      throw error;
    }
  };
  const byClass = { auroc: over('auroc', 'macro'), averagePrecision: over('averagePrecision', 'macro') };
  const finite = (value: number | undefined): number | null =>
    value === undefined || Number.isNaN(value) ? null : value;
  return {
    classes: classScores(confusion).map((score, c): ClassRow => {
      const name = classes[c] ?? String(c);
      return {
        name,
        ...score,
        auroc: finite(byClass.auroc?.perClass[c]),
        averagePrecision: finite(byClass.averagePrecision?.perClass[c]),
      };
    }),
    averages: classAverages.map((name): ClassRow => ({
      name,
      ...averageClassScores(confusion, name),
      auroc: finite(over('auroc', name)?.value),
      averagePrecision: finite(over('averagePrecision', name)?.value),
    })),
  };
};

/** Reports on the classes and the probabilities of a split, all of them details. */
export const classDetails = (
  given: DetailedScores,
  { task, split, seed }: { readonly task: string; readonly split: string; readonly seed: number },
): readonly ScoreReport[] => {
  const { labels, groups, classes, areProbabilities = false } = given;
  const probabilities = areProbabilities ? given.scores : softmaxRows(given.scores, classes.length);
  const hits = topK(labelRanks(given.scores, labels), 1).perSample;
  const name = { task, split, detail: true } as const;
  const lower = { ...name, better: 'lower' } as const;
  const bootstrap = { seed, groups: [...groups] };
  const confidences = confidencesOf(probabilities, labels);
  const pick = (values: Float64Array, indices: Int32Array): Float64Array =>
    Float64Array.from(indices, (i) => values[i] ?? 0);
  const { table: reliability } = calibrationOf(confidences);
  return [
    reportStatistic(
      {
        ...name,
        metric: 'balanced accuracy',
        chance: 1 / classes.length,
        tables: classTable(given, expectedConfusion(given.scores, labels)),
      },
      { count: labels.length, statistic: balancedAccuracyStatistic(hits, labels, classes.length) },
      { ...bootstrap, range: [0, 1] },
    ),
    reportMean(
      { ...lower, metric: 'NLL', chance: Math.log(classes.length) },
      negativeLogLikelihood(probabilities, labels).perSample,
      { ...bootstrap, range: [0, Number.POSITIVE_INFINITY] },
    ),
    reportMean(
      { ...lower, metric: 'Brier score', chance: 1 - 1 / classes.length },
      brierScore(probabilities, labels).perSample,
      { ...bootstrap, range: [0, 2] },
    ),
    reportStatistic(
      { ...lower, metric: 'ECE (15 bins)', chance: null, tables: { reliability } },
      {
        count: labels.length,
        statistic: (indices) =>
          calibrationOf({
            confidence: pick(confidences.confidence, indices),
            right: pick(confidences.right, indices),
          }).expectedError,
      },
      { ...bootstrap, range: [0, 1] },
    ),
  ];
};
