/** From a staged experiment to its runs: a pre-training for each variant and seed, and the tunings that start from it. */
import { sha256 } from '@polygate/core';
import { parseRecipe, type Recipe, type RecipeInput } from '@polygate/generalist';
import { join } from 'node:path';
import { canonicalJson } from '../plan.ts';
import type { Stage, StagedExperiment, StagedTask, TuningBudget } from './stages.ts';

/** A task that a run is scored on. Plain JSON. */
export interface ScoredStage {
  readonly stage: Stage;
  /** Name of the task. */
  readonly task: string;
  /** Family, dataset and settings. */
  readonly recipe: Recipe['tasks'][string];
  readonly split: string;
  readonly metric: string;
  readonly rows: number;
}

/** What a child process is told to do: train, or go on, and score. Plain JSON. */
export interface StageOrder {
  readonly variant: string;
  readonly seed: number;
  /** First 16 digits of a hash of everything that decides the result. */
  readonly key: string;
  readonly folder: string;
  readonly recipe: Recipe;
  readonly scored: readonly ScoredStage[];
}

/** One pre-training and what starts from it. */
export interface StagedBranch {
  readonly pretraining: StageOrder;
  readonly tunings: readonly StageOrder[];
}

export interface StagedPlanOptions {
  /** Folder of the prepared suite, and the hash of its recipe: other data are other runs. */
  readonly suite: string;
  readonly suiteHash: string;
  readonly seeds: readonly number[];
  /** Folder of all runs. */
  readonly runs: string;
  /** Only these variants, where some are named. */
  readonly only?: readonly string[] | undefined;
}

type Order = Omit<StageOrder, 'key' | 'folder'>;

const keyed = (order: Order, { suiteHash, runs }: StagedPlanOptions): StageOrder => {
  const { recipe, scored } = order;
  const key = sha256(canonicalJson({ recipe: { ...recipe, suite: '' }, scored, suiteHash })).slice(0, 16);
  return { ...order, key, folder: join(runs, key) };
};

const tuningRecipe = (
  task: StagedTask,
  { steps, batchSize, share, optimizer, schedule, tune }: TuningBudget,
): Omit<RecipeInput, 'seed' | 'suite' | 'initialize'> => {
  const subset = share === undefined ? {} : { subset: { share } };
  return {
    name: 'staged',
    tasks: { [task.name]: { ...task.recipe, batchSize, ...subset } as typeof task.recipe },
    optimizer,
    schedule,
    tune,
    steps: `${steps} steps`,
    checkpoint: { every: '100%', keep: 1 },
    validation: { every: '100%', limit: 64, splits: ['validation'] },
    telemetry: { every: null },
  };
};

/** Where runs are made: one thread each, so that as many run at once as there are cores. */
const place = { engine: 'torch', threads: 1, precision: 'bf16' } as const;

/** Branches seed by seed, so that a part of them compares all variants. */
export const planStages = (
  experiment: StagedExperiment,
  options: StagedPlanOptions,
): readonly StagedBranch[] => {
  const { pretraining, tasks, budgets, variants, rows } = experiment;
  const { suite, seeds, only } = options;
  const wanted = variants.filter(({ name }) => only?.includes(name) ?? true);
  const scoredAt = (stage: Stage, task: StagedTask): ScoredStage => {
    const recipe = parseRecipe({ tasks: { [task.name]: task.recipe } }).tasks[task.name];
    if (!recipe) throw new RangeError(`internal: the task ${task.name} is gone`);
    return { stage, task: task.name, recipe, split: task.split, metric: task.metric, rows };
  };
  return seeds.flatMap((seed) =>
    wanted.map(({ name: variant, experts }) => {
      const base = keyed(
        {
          variant,
          seed,
          recipe: parseRecipe({
            ...pretraining,
            ...place,
            suite,
            seed,
            model: { ...pretraining.model, moe: experts },
          }),
          scored: tasks.map((task) => scoredAt('untuned', task)),
        },
        options,
      );
      const tuning = (stage: 'prompt' | 'fine', task: StagedTask): StageOrder =>
        keyed(
          {
            variant,
            seed,
            recipe: parseRecipe({
              ...tuningRecipe(task, budgets[stage]),
              ...place,
              suite,
              seed,
              initialize: { from: base.folder },
            }),
            scored: [scoredAt(stage, task)],
          },
          options,
        );
      const tuned = tasks.filter((task) => task.tuned ?? true);
      return {
        pretraining: base,
        tunings: (['prompt', 'fine'] as const).flatMap((stage) => tuned.map((task) => tuning(stage, task))),
      };
    }),
  );
};
