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
const engine = { engine: 'torch', threads: 1, precision: 'f32' } as const;

/** Branches seed by seed, so that a part of them compares all variants. */
export const planStages = (
  experiment: StagedExperiment,
  options: StagedPlanOptions,
): readonly StagedBranch[] => {
  const { pretraining, tasks, budgets, variants, rows } = experiment;
  const { suite, seeds, only } = options;
  const laid = { ...engine, suite };
  // A recipe is checked once, whatever starts from it.
  const checked = tasks.map((task) => {
    const recipe = parseRecipe({ tasks: { [task.name]: task.recipe } }).tasks[task.name];
    if (!recipe) throw new RangeError(`internal: the task ${task.name} is gone`);
    const scoredAt = (stage: Stage): ScoredStage => ({
      stage,
      task: task.name,
      recipe,
      split: task.split,
      metric: task.metric,
      rows,
    });
    const recipes =
      (task.tuned ?? true)
        ? (['prompt', 'fine'] as const).map(
            (stage) => [stage, parseRecipe({ ...tuningRecipe(task, budgets[stage]), ...laid })] as const,
          )
        : [];
    return { scoredAt, recipes };
  });
  const models = variants
    .filter(({ name }) => only?.includes(name) ?? true)
    .map(({ name, experts }) => ({
      variant: name,
      recipe: parseRecipe({ ...pretraining, ...laid, model: { ...pretraining.model, moe: experts } }),
    }));
  return seeds.flatMap((seed) =>
    models.map(({ variant, recipe }) => {
      const base = keyed(
        {
          variant,
          seed,
          recipe: { ...recipe, seed },
          scored: checked.map(({ scoredAt }) => scoredAt('untuned')),
        },
        options,
      );
      const tunings = checked.flatMap(({ scoredAt, recipes }) =>
        recipes.map(([stage, tuning]) => {
          const initialize = { from: base.folder, noise: 0, strict: false };
          return keyed(
            { variant, seed, recipe: { ...tuning, seed, initialize }, scored: [scoredAt(stage)] },
            options,
          );
        }),
      );
      return { pretraining: base, tunings };
    }),
  );
};
