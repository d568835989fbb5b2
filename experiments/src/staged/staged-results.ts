/** docs/results/<experiment>.json of a staged experiment. */
import type { ScoreReport } from '@polygate/evaluation';
import type { ResultsHead } from '../results.ts';
import type { Stage } from './stages.ts';

/** A score of a task at a stage. */
export interface StageScore extends Pick<
  ScoreReport,
  'value' | 'interval' | 'chance' | 'baselines' | 'count'
> {
  readonly stage: Stage;
  readonly task: string;
}

/** A finished run: a pre-training with its untuned scores, or a tuning with one score. */
export interface StagedRun {
  readonly variant: string;
  readonly seed: number;
  readonly key: string;
  readonly commit: string;
  readonly engine: string;
  readonly steps: string;
  readonly scores: readonly StageScore[];
  /** Processor time of training in this process. */
  readonly trainingHours: number;
  /** The same with scoring. */
  readonly hours: number;
  readonly parameters: number;
}

/** A row of the tables. */
export interface StagedRow {
  readonly name: string;
  readonly label: string;
  readonly split: string;
  readonly metric: string;
  readonly novel: boolean;
}

export interface StagedResults extends ResultsHead {
  /** What was run: the pre-training of the baseline, and how tasks are tuned. */
  readonly settings: unknown;
  readonly variants: readonly { readonly name: string; readonly label: string }[];
  readonly rows: readonly StagedRow[];
  readonly runs: readonly StagedRun[];
}
