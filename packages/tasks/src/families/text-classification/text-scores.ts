/**
 * F1 and the Matthews correlation of a classification of texts, as GLUE has them: of MRPC and QQP, and of CoLA.
 *
 * N samples · C classes
 */
import {
  classF1,
  expectedConfusion,
  matthewsCorrelation,
  reportStatistic,
  type ScoreReport,
} from '@polygate/evaluation';
import type { ClassScores } from '../class-scores.ts';
import type { TextScore } from './cloze-presets.ts';

export interface TextScoreOptions {
  /** Stands in the report. */
  readonly task: string;
  readonly split: string;
  readonly seed: number;
  /** [N] answers of simple systems, by name. */
  readonly answers: Readonly<Record<string, ArrayLike<number>>>;
}

interface Measure {
  readonly range: readonly [number, number];
  /** Of counts of (label, prediction), [C * C]. */
  of(confusion: Float64Array, classes: number): number;
}

const measures: Readonly<Record<Exclude<TextScore, 'accuracy'>, Measure>> = {
  F1: {
    range: [0, 1],
    of(confusion, classes) {
      const f1 = classF1(confusion)[classes - 1] ?? 0;
      // A class that neither occurs nor is answered.
      return Number.isNaN(f1) ? 0 : f1;
    },
  },
  Matthews: { range: [-1, 1], of: matthewsCorrelation },
};

/** Counts of the drawn samples, [C * C]: one for each of equally good classes its share. */
const countsOf = ({
  scores,
  labels,
  classes,
}: Pick<ClassScores, 'scores' | 'labels' | 'classes'>): ((indices: ArrayLike<number>) => Float64Array) => {
  const cells = labels.map((label, i) => {
    const confusion = expectedConfusion(scores.subarray(i * classes, (i + 1) * classes), [label]);
    return confusion.subarray(label * classes, (label + 1) * classes);
  });
  return (indices) => {
    const counts = new Float64Array(classes * classes);
    for (let at = 0; at < indices.length; at += 1) {
      const i = indices[at] ?? 0;
      const start = (labels[i] ?? 0) * classes;
      cells[i]?.forEach((share, c) => {
        counts[start + c] = (counts[start + c] ?? 0) + share;
      });
    }
    return counts;
  };
};

/** Scores of answers as those of a model that is sure of them. */
const sureScores = (answers: ArrayLike<number>, classes: number): Float32Array => {
  const scores = new Float32Array(answers.length * classes);
  for (let i = 0; i < answers.length; i += 1) scores[i * classes + (answers[i] ?? 0)] = 1;
  return scores;
};

/** The report of a score beside accuracy, with that of an even guess and of simple systems. */
export const textScoreReport = (
  score: Exclude<TextScore, 'accuracy'>,
  given: ClassScores,
  { task, split, seed, answers }: TextScoreOptions,
): ScoreReport => {
  const { labels, groups, classes } = given;
  const { range, of } = measures[score];
  const all = Int32Array.from(labels, (_, i) => i);
  const counts = countsOf(given);
  const scoreOf = (scores: Float32Array): number => of(countsOf({ scores, labels, classes })(all), classes);
  const baselines = Object.entries(answers).map(
    ([system, predicted]) => [system, scoreOf(sureScores(predicted, classes))] as const,
  );
  return reportStatistic(
    {
      task,
      split,
      metric: score,
      // An even guess has a share of each sample in every class.
      chance: scoreOf(new Float32Array(labels.length * classes)),
      baselines: Object.fromEntries(baselines),
    },
    { count: labels.length, statistic: (indices) => of(counts(indices), classes) },
    { seed, groups, range },
  );
};
