/** Every recipe of this stage by name: a row of a table and a method, `imagenet-1k-prompt`. */
import type { Suite } from '@polygate/datasets';
import {
  smallImages,
  type FittedRecipe,
  type RecipeInput,
  type SmallImagesOptions,
  type TunedBy,
} from '@polygate/generalist';
import { tuningTables, type TuningRow, type TuningTable } from './table.ts';

/** A row with its table and one of its columns. */
export interface NamedTuning {
  readonly table: TuningTable;
  readonly row: TuningRow;
  readonly method: string;
}

const recipeOf = (name: string, { table, row, method }: NamedTuning): RecipeInput => {
  const column = row.columns[method];
  if (!column) throw new RangeError(`internal: the row ${row.name} has no column ${method}`);
  const { steps, batchSize, warmup, learningRate, weightDecay, dropPath, classes } = column;
  const { betas = table.betas, epsilon = table.epsilon, labelSmoothing = table.labelSmoothing } = column;
  const share = table.shares?.[method];
  const subset = share === undefined ? {} : { subset: { share } };
  const task = {
    family: row.family,
    dataset: row.dataset,
    batchSize,
    labelSmoothing,
    ...subset,
    ...row.task,
  };
  return {
    name,
    ...(table.suite ? { suite: table.suite(row) } : {}),
    tune: { method, ...(dropPath === undefined ? {} : { dropPath }), ...(classes ? { classes } : {}) },
    tasks: { [row.dataset]: task } as NonNullable<RecipeInput['tasks']>,
    optimizer: {
      learningRate,
      beta1: betas[0],
      beta2: betas[1],
      epsilon,
      weightDecay,
      clipNorm: table.clipNorm,
    },
    schedule: {
      kind: table.schedule[method] ?? 'warmup-cosine',
      warmup: `${warmup} steps`,
      minimum: table.minimum,
    },
    steps: `${steps} steps`,
  };
};

/** Rows by the names of their recipes. */
export const namedTunings: ReadonlyMap<string, NamedTuning> = new Map(
  tuningTables.flatMap((table) =>
    table.rows.flatMap((row) =>
      Object.keys(row.columns).map(
        (method) => [`${row.name}-${method}${table.suffix}`, { table, row, method }] as const,
      ),
    ),
  ),
);

export const tuneRecipes: Readonly<Record<string, RecipeInput>> = Object.freeze(
  Object.fromEntries([...namedTunings].map(([name, named]) => [name, recipeOf(name, named)])),
);

/** A recipe that a suite decides, and how it tunes. */
export interface SuiteTuning {
  readonly method: string;
  fit(suite: Suite, options: Omit<SmallImagesOptions, 'tuned'>): FittedRecipe;
}

const smallBy = (tuned: TunedBy): SuiteTuning => ({
  method: tuned,
  fit: (suite, options) => smallImages(suite, { ...options, tuned }),
});

/** Recipes that a suite decides, by name. */
export const suiteTunings: Readonly<Record<string, SuiteTuning>> = Object.freeze({
  'small-images-fine': smallBy('fine'),
  'small-images-prompt': smallBy('prompt'),
  'small-images-lora': smallBy('lora'),
});
