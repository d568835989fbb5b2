/** One score with all that is needed to judge it: interval, chance, baselines, number of samples. */
import { ConfigError } from '@polygate/core';
import { bootstrapInterval, bootstrapStatistic } from './bootstrap.ts';
import type { BootstrapOptions, Interval } from './bootstrap.ts';

/** What was measured, and what a guess or a simple method reaches. */
export interface ScoreContext {
  /** Task or data set, as people call it. */
  readonly task: string;
  /** Split that was scored. */
  readonly split: string;
  /** Name of the metric, such as `top-1` or `perplexity`. */
  readonly metric: string;
  /** Score of guessing; null where guessing has no meaningful score. */
  readonly chance: number | null;
  /** Scores of simple methods by name. @default none */
  readonly baselines?: Readonly<Record<string, number>>;
  /** Which way is better. @default 'higher' */
  readonly better?: 'higher' | 'lower';
}

/** A score, ready to be written as JSON. */
export interface ScoreReport {
  readonly task: string;
  readonly split: string;
  readonly metric: string;
  readonly better: 'higher' | 'lower';
  readonly value: number;
  /** Bootstrap interval of the value. */
  readonly interval: Interval;
  /** Probability that the interval covers. */
  readonly confidence: number;
  readonly chance: number | null;
  readonly baselines: Readonly<Record<string, number>>;
  /** Samples that the value is of. */
  readonly count: number;
}

const assemble = (
  context: ScoreContext,
  measured: Pick<ScoreReport, 'value' | 'interval' | 'count'>,
  options: BootstrapOptions,
): ScoreReport => {
  if (!Number.isFinite(measured.value)) {
    throw new ConfigError(
      `score report: expected a finite ${context.metric} of ${context.task}, got ${measured.value}; has the model diverged?`,
      { code: 'nan-score' },
    );
  }
  return Object.freeze({
    task: context.task,
    split: context.split,
    metric: context.metric,
    better: context.better ?? 'higher',
    ...measured,
    confidence: options.confidence ?? 0.95,
    chance: context.chance,
    baselines: Object.freeze({ ...context.baselines }),
  });
};

/**
 * The report of a mean over samples.
 * @param transform what is reported of the mean; must rise or fall throughout (perplexity: mean => exp(-mean))
 */
export const reportMean = (
  context: ScoreContext,
  perSample: ArrayLike<number>,
  options: BootstrapOptions & { readonly transform?: (mean: number) => number },
): ScoreReport => {
  const { transform = (mean: number) => mean } = options;
  const interval = bootstrapInterval(perSample, options)
    .map(transform)
    .sort((a, b) => a - b);
  let sum = 0;
  for (let i = 0; i < perSample.length; i += 1) sum += perSample[i] ?? 0;
  return assemble(
    context,
    {
      value: transform(sum / perSample.length),
      interval: [interval[0] ?? Number.NaN, interval[1] ?? Number.NaN],
      count: perSample.length,
    },
    options,
  );
};

/** The report of a statistic of the whole corpus, such as macro-F1 or BLEU-4; see {@link bootstrapStatistic}. */
export const reportStatistic = (
  context: ScoreContext,
  corpus: { readonly count: number; readonly statistic: (indices: Int32Array) => number },
  options: BootstrapOptions,
): ScoreReport => {
  const all = Int32Array.from({ length: corpus.count }, (_, i) => i);
  return assemble(
    context,
    {
      value: corpus.statistic(all),
      interval: bootstrapStatistic(corpus.count, corpus.statistic, options),
      count: corpus.count,
    },
    options,
  );
};

/** Whether the whole interval is on the better side of chance; false where there is no chance score. */
export const beatsChance = (report: ScoreReport): boolean => {
  if (report.chance === null) return false;
  return report.better === 'higher' ? report.interval[0] > report.chance : report.interval[1] < report.chance;
};
