/**
 * Means, deviations and intervals over seeds, and the normalised mean score.
 *
 * The normalised score of a run is the mean over tasks of its relative improvement on the baseline run of the same seed
 * (Maninis et al., Attentive Single-Tasking, 2019, eq. 1, with the dense joint model in place of single-task models):
 *   delta = mean over tasks t of sign_t * (M_t - B_t) / B_t,  sign -1 where lower is better.
 * Runs of one seed see the same data in the same order, so seed by seed differences are less noisy than means apart.
 */
import { ConfigError } from '@polygate/core';
import { studentQuantile } from '@polygate/evaluation';
import type { ScoredMetric } from './experiment.ts';
import type { RunResult } from './results.ts';

export interface Spread {
  readonly mean: number;
  /** Sample standard deviation; NaN for one value. */
  readonly deviation: number;
  readonly count: number;
}

export const spreadOf = (values: readonly number[]): Spread => {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: count > 1 ? Math.sqrt(squares / (count - 1)) : Number.NaN, count };
};

/** Half the width of the 95 % interval of a mean over seeds; NaN for one seed. */
export const halfInterval = ({ deviation, count }: Spread): number => {
  if (count < 2) return Number.NaN;
  return (studentQuantile(0.975, count - 1) * deviation) / Math.sqrt(count);
};

/** @throws ConfigError when the run lacks the score */
export const scoreOf = (run: RunResult, { task, metric }: Pick<ScoredMetric, 'task' | 'metric'>): number => {
  const value = run.scores[task]?.[metric];
  if (value === undefined) {
    throw new ConfigError(
      `statistics: expected a score "${metric}" of task "${task}" in run ${run.variant}, seed ${run.seed}, got none; run the experiment again`,
    );
  }
  return value;
};

/** The run of another variant with the same seed. @throws ConfigError when there is none */
export const partnerOf = (run: RunResult, runs: readonly RunResult[], variant: string): RunResult => {
  const partner = runs.find((each) => each.variant === variant && each.seed === run.seed);
  if (!partner) {
    throw new ConfigError(
      `statistics: expected a run of "${variant}" with seed ${run.seed} to compare with, got none; finish the experiment first`,
    );
  }
  return partner;
};

/** Normalised score of a run against its partner, as a share: 0.05 is 5 % better. */
export const normalisedScore = (
  run: RunResult,
  partner: RunResult,
  metrics: readonly ScoredMetric[],
): number => {
  const used = metrics.filter(({ normalised = true }) => normalised);
  const gains = used.map((metric) => {
    const base = scoreOf(partner, metric);
    const gain = (scoreOf(run, metric) - base) / base;
    return metric.better === 'higher' ? gain : -gain;
  });
  return spreadOf(gains).mean;
};
