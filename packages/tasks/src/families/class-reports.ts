/** Scores of any classification: shares of right answers and macro-F1 over the whole set of classes. */
import { classDetails } from './class-details.ts';
import type { ClassScores } from './class-scores.ts';
import {
  bestOfRows,
  chanceMacroF1,
  chanceTopK,
  labelRanks,
  macroF1Statistic,
  reportMean,
  reportStatistic,
  topK,
  type ScoreReport,
} from '@polygate/evaluation';

export interface ClassReportOptions {
  /** Stands in the reports, such as `mnist classification`. */
  readonly task: string;
  readonly split: string;
  /** Of the resampling. */
  readonly seed: number;
  /** Top-1 of simple systems. */
  readonly baselines: Readonly<Record<string, number>>;
  /** Names of the shares of samples whose class is among the first k, by k. @default top-1, and top-5 of more than 5 classes */
  readonly shares?: readonly (readonly [metric: string, k: number])[];
  /** Names of the classes, where the reports of {@link classDetails} are wanted. @default without them */
  readonly detailsOf?: readonly string[] | undefined;
}

/** Joins the scores of batches. */
export const joinScores = (parts: readonly Float32Array[]): Float32Array => {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((at, part) => {
    all.set(part, at);
    return at + part.length;
  }, 0);
  return all;
};

/** Label and best classes of each sample, of which macro-F1 is made. */
const classRows = ({
  scores,
  labels,
  classes,
}: Pick<ClassScores, 'scores' | 'labels' | 'classes'>): readonly (readonly number[])[] =>
  bestOfRows('classRows', scores, classes).map((best, i) => [labels[i] ?? -1, ...best]);

export const classReports = (given: ClassScores, options: ClassReportOptions): readonly ScoreReport[] => {
  const { scores, labels, groups, classes } = given;
  const { task, split, seed, baselines, detailsOf } = options;
  const tops: ClassReportOptions['shares'] = [['top-1', 1], ...(classes > 5 ? [['top-5', 5] as const] : [])];
  const ranks = labelRanks(scores, labels);
  const name = { task, split };
  // Equal scores make fractions of successes, so the range is said.
  const bootstrap = { seed, groups: [...groups], range: [0, 1] } as const;
  return [
    ...(options.shares ?? tops).map(([metric, k]) =>
      reportMean(
        { ...name, metric, chance: chanceTopK({ k, classes }), ...(k === 1 ? { baselines } : {}) },
        topK(ranks, k).perSample,
        bootstrap,
      ),
    ),
    reportStatistic(
      { ...name, metric: 'macro-F1', chance: chanceMacroF1({ labels, classes }) },
      {
        count: labels.length,
        statistic: macroF1Statistic(scores, labels),
        named: { statistic: 'macro-F1', rows: classRows(given) },
      },
      bootstrap,
    ),
    ...(detailsOf ? classDetails({ ...given, classes: detailsOf }, { task, split, seed }) : []),
  ];
};
