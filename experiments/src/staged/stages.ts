/**
 * What a staged experiment is: one pre-training for each variant and seed, and from it every task untuned, prompt-tuned on a
 * share of its data and fine-tuned on all of it (Uni-Perceiver-MoE, section 4.4, Tables 4 and 5).
 */
import type { RecipeInput } from '@polygate/generalist';
import type { Variant } from '../experiment.ts';

/** Columns of the tables: without tuning, prompt-tuned on a subset, fine-tuned on all. */
export type Stage = 'untuned' | 'prompt' | 'fine';

export const stages: readonly Stage[] = ['untuned', 'prompt', 'fine'];

type TaskInput = NonNullable<RecipeInput['tasks']>[string];

/** A row of the tables. */
export interface StagedTask {
  /** Of the run that tunes it; for a task of pre-training its name there. */
  readonly name: string;
  readonly label: string;
  /** Family, dataset and settings, as a recipe says them. */
  readonly recipe: TaskInput;
  /** Split that is scored. */
  readonly split: string;
  /** As in the reports of `evaluate`; higher is better. */
  readonly metric: string;
  /** Whether pre-training had none of it. */
  readonly novel: boolean;
  /** Whether it is tuned; running text, which is what pre-training is for, is scored alone. @default true */
  readonly tuned?: boolean;
}

/** How a task is tuned: steps, batch size, rates. */
export interface TuningBudget {
  readonly steps: number;
  readonly batchSize: number;
  readonly optimizer: NonNullable<RecipeInput['optimizer']>;
  readonly schedule: NonNullable<RecipeInput['schedule']>;
  readonly tune: NonNullable<RecipeInput['tune']>;
  /** Share of the training samples; all without. */
  readonly share?: number;
}

export interface StagedExperiment {
  readonly name: string;
  readonly title: string;
  readonly question: string;
  /** Variant that the others are compared with. */
  readonly baseline: string;
  readonly variants: readonly Variant[];
  /** Recipe of `prepare`. */
  readonly suite: string;
  readonly pretraining: RecipeInput;
  readonly tasks: readonly StagedTask[];
  readonly budgets: Readonly<Record<Exclude<Stage, 'untuned'>, TuningBudget>>;
  /** Most rows of a split that is scored, the same for all runs. */
  readonly rows: number;
}
