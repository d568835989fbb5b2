/** Scores of a whole corpus by name, from one row of numbers a sample: what two runs are compared by where no sample has a score. */
import { unknownName } from '@polygate/core';
import { bleuOfCounts, sumBleuCounts } from './bleu.ts';

/** Macro-F1 of rows of a label and the best classes of the sample, one unless there are ties. */
const macroF1OfRows = (rows: readonly ArrayLike<number>[]): number => {
  const hits = new Map<number, number>();
  const all = new Map<number, number>();
  const add = (counts: Map<number, number>, c: number, weight: number): void => {
    counts.set(c, (counts.get(c) ?? 0) + weight);
  };
  for (const row of rows) {
    const label = row[0] ?? -1;
    const share = 1 / (row.length - 1);
    add(all, label, 1);
    for (let i = 1; i < row.length; i += 1) {
      const c = row[i] ?? -1;
      add(all, c, share);
      if (c === label) add(hits, c, share);
    }
  }
  let sum = 0;
  for (const [c, total] of all) sum += (2 * (hits.get(c) ?? 0)) / total;
  return all.size === 0 ? 0 : sum / all.size;
};

const statistics = {
  'macro-F1': macroF1OfRows,
  'BLEU-4': (rows: readonly ArrayLike<number>[]) => bleuOfCounts(sumBleuCounts(rows)).bleu[3],
} as const satisfies Readonly<Record<string, (rows: readonly ArrayLike<number>[]) => number>>;

/** Name of a score of a corpus. */
export type CorpusStatistic = keyof typeof statistics;

/** What a score of a corpus was made of. */
export interface CorpusOutcomes {
  readonly statistic: CorpusStatistic;
  /** A row for each sample: label and best classes for macro-F1, the counts of {@link bleuCounts} for BLEU-4. */
  readonly rows: readonly (readonly number[])[];
  /** What samples share; absent where each stands for itself. */
  readonly groups?: readonly (number | string)[];
}

/** The score of rows. @throws ConfigError for an unknown statistic (lists the known ones) */
export const corpusStatistic = (
  statistic: CorpusStatistic,
): ((rows: readonly ArrayLike<number>[]) => number) => {
  if (Object.hasOwn(statistics, statistic)) return statistics[statistic];
  throw unknownName('statistic of a corpus', statistic, Object.keys(statistics));
};
