/**
 * What more is said of captions: BLEU of the lower orders, and CIDEr-D by the document frequencies of the training
 * captions, which a small split has too few captions for.
 */
import {
  bleuCounts,
  bleuOfCounts,
  ciderD,
  documentFrequencies,
  reportMean,
  reportStatistic,
  sumBleuCounts,
  type CaptionPair,
  type ScoreContext,
  type ScoreReport,
} from '@polygate/evaluation';

export interface CaptionDetailsOptions {
  readonly task: string;
  readonly split: string;
  /** Of the resampling. */
  readonly seed: number;
  /** [N] what samples share. */
  readonly groups: readonly string[];
  /** Captions of simple systems, by name. */
  readonly simple: Readonly<Record<string, readonly CaptionPair[]>>;
  /** Captions of each training image; absent where there is no training split. */
  readonly training?: readonly (readonly string[])[] | undefined;
}

/** Reports on the captions of a split, all of them details. */
export const captionDetails = (
  pairs: readonly CaptionPair[],
  options: CaptionDetailsOptions,
): readonly ScoreReport[] => {
  const { task, split, seed, groups, simple, training } = options;
  const bootstrap = { seed, groups: [...groups] };
  const context = (metric: string, score: (pairs: readonly CaptionPair[]) => number): ScoreContext => ({
    task,
    split,
    metric,
    detail: true,
    chance: null,
    baselines: Object.fromEntries(
      Object.entries(simple).map(([system, captions]) => [system, score(captions)]),
    ),
  });
  const reports: ScoreReport[] = [];
  const counts = pairs.map((pair) => bleuCounts(pair));
  for (const order of [0, 1, 2] as const) {
    const of = (counted: typeof counts, indices?: Int32Array): number =>
      bleuOfCounts(sumBleuCounts(counted, indices)).bleu[order];
    reports.push(
      reportStatistic(
        context(`BLEU-${order + 1}`, (samples) => of(samples.map((pair) => bleuCounts(pair)))),
        { count: pairs.length, statistic: (indices) => of(counts, indices) },
        { ...bootstrap, range: [0, 1] },
      ),
    );
  }
  if (training && training.length > 0) {
    const frequencies = documentFrequencies(training);
    const score = (samples: readonly CaptionPair[]) => ciderD(samples, { frequencies });
    reports.push(
      reportMean(
        context('CIDEr-D (training frequencies)', (samples) => score(samples).value),
        score(pairs).perSample,
        { ...bootstrap, range: [0, 10] },
      ),
    );
  }
  return reports;
};
