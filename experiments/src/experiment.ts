/** What an experiment is: variants of one recipe, trained with equal budgets over seeds, and what is scored. */
import type { RecipeInput } from '@polygate/generalist';

/** Experts of a variant; null is the dense model. */
type Experts = Extract<
  NonNullable<RecipeInput['model']>,
  { readonly architecture?: 'uni-perceiver' | undefined }
>['moe'];

export interface Variant {
  /** Unique in its experiment; stands in results. */
  readonly name: string;
  /** Stands in tables. */
  readonly label: string;
  readonly experts: Experts;
}

/** A number of a task that tables show. */
export interface ScoredMetric {
  /** Task of the recipe. */
  readonly task: string;
  /** As in the scores of a run. */
  readonly metric: string;
  /** Heading of its column. */
  readonly label: string;
  readonly better: 'higher' | 'lower';
  /** Digits behind the point. @default 2 */
  readonly digits?: number;
  /** Whether it is part of the normalised score: one metric of each task is. @default true */
  readonly normalised?: boolean;
}

/** Where the scores of a task come from. */
export interface ScoredTask {
  readonly task: string;
  readonly split: string;
  /** Most rows, drawn by a fixed seed that all runs share. */
  readonly rows: number;
}

export interface Experiment {
  readonly name: string;
  readonly title: string;
  /** What it is to find out, in a sentence or two. */
  readonly question: string;
  /** Name of the variant that the others are compared with. */
  readonly baseline: string;
  readonly variants: readonly Variant[];
  readonly metrics: readonly ScoredMetric[];
  /** Whether interference is measured on the trained runs. @default false */
  readonly interference?: InterferencePlan;
}

/** What is measured on every trained run beside its scores. */
export interface InterferencePlan {
  /** Counted from 1. */
  readonly layers: readonly number[];
  readonly linears: readonly string[];
  readonly batches: number;
  readonly directions: number;
  /** Checkpoints that are measured: such that still learn, as the paper's is partly converged. */
  readonly checkpoints: readonly string[];
  /** Updates of all weights in a row on one task alone, and rounds of them. */
  readonly updates: number;
  readonly rounds: number;
}
