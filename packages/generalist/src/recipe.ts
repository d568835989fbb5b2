/**
 * The recipe of a training run: one typed record of everything that decides its result. Unknown keys are refused; every
 * field has a default, so that `parseRecipe({})` is a whole run.
 */
import {
  checkSettings,
  formatDuration,
  isPlainName,
  madeOfRecords,
  parseDuration,
  PolygateError,
} from '@polygate/core';
import { optimizerSchema } from '@polygate/nn';
import { taskRecipeSchema, type TaskRecipe, type TaskRecipeInput } from '@polygate/tasks';
import { z } from 'zod';
import { withoutFormerDefaults, withoutFormerSettings } from './former-settings.ts';
import { above, amount, count, MAX_FACTOR } from './number-settings.ts';
import { tuneSchema, type TuneInput, type TuneSettings } from './tuning/registry.ts';
import { modelSettingsSchema, type ModelSettings, type ModelSettingsInput } from './models/model-settings.ts';

/** A text with a unit, or a number of steps. */
const duration = z.union([z.string(), z.number()]).transform((value, context): string => {
  try {
    const parsed = parseDuration(value);
    // A text with its unit stays as it was written, so that a run's record reads like its recipe.
    return typeof value === 'string' && /\D\s*$/u.test(value) ? value : formatDuration(parsed);
  } catch (error) {
    if (!(error instanceof PolygateError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
    return z.NEVER;
  }
});

/** A duration that is not over at once. */
const stretch = duration.refine(
  (text) => parseDuration(text).value > 0,
  'expected more than 0, such as "1 step"',
);

/** Side of an image in pixels. */
const MAX_SIDE = 4096;
/** Rows of a split or of an evaluation. */
const MAX_ROWS = 2 ** 31;

const schemaWith = (
  task: z.ZodType<TaskRecipe, TaskRecipeInput>,
  model: z.ZodType<ModelSettings, ModelSettingsInput>,
  tune: z.ZodType<TuneSettings, TuneInput>,
) =>
  z.strictObject({
    /** Stands in reports, and names the folder of the run. */
    name: z.string().refine(isPlainName, 'expected the name of a folder, no path').default('pretrain'),
    /** Folder of a prepared suite. */
    suite: z.string().default('data/mini'),
    model: model.prefault({}),
    /** Images of another size than the suite's, resized as they are read. @default as they were prepared */
    image: z
      .strictObject({
        /** Side in pixels, a multiple of the patches'. */
        size: count(MAX_SIDE),
      })
      .optional(),
    /**
     * Modules that register task families, conditions, models or modalities: packages, or paths from the recipe's folder or
     * the working directory. They are imported before the recipe is checked.
     */
    extensions: z.array(z.string().min(1)).default([]),
    /** Tasks by name. @default every task that the suite's training splits allow, see defaultTasks */
    tasks: z.record(z.string(), task).default({}),
    mixing: z
      .strictObject({
        /** Task weights default to size ** (1 / temperature): 2 is the square root. */
        temperature: above(MAX_FACTOR).default(2),
      })
      .prefault({}),
    /** What updates the weights: `kind` (adamw by default), its settings, groups of parameters with rates of their own. */
    optimizer: optimizerSchema().prefault({}),
    schedule: z
      .strictObject({
        kind: z.enum(['warmup-cosine', 'constant']).default('warmup-cosine'),
        warmup: duration.default('5%'),
        /** Learning rate at the end of the cosine. */
        minimum: amount(MAX_FACTOR).default(1e-6),
      })
      .prefault({}),
    /** Length of the run. */
    steps: stretch.default('1000 steps'),
    /**
     * Stretch of training that counts as an epoch for models that change something of themselves at the end of one, such as
     * the number of experts of a modality: "1 epochs" is as many samples as the tasks' datasets hold, "500 steps" so many
     * updates.
     */
    endOfEpoch: stretch.default('1 epochs'),
    /** Batches whose gradients make one step. */
    accumulate: count(2 ** 16).default(1),
    /**
     * Runs steps of a task and layout again from a recording of its operators, on the torch engine: equal losses and weights in
     * less time. A task whose steps can't be recorded is told and computed as ever.
     */
    replay: z.boolean().default(false),
    seed: z.number().int().min(0).default(1),
    /** Start from another model's weights, as far as they fit, instead of drawn ones. @default drawn */
    initialize: z
      .strictObject({
        /** Folder of a model or a run, whatever its tasks; a dense or exported one becomes the experts' start. */
        from: z.string().min(1),
        /** Of a run: best, last, or a name such as step-1500. @default the best by its recipe's score, else the last */
        checkpoint: z.string().min(1).optional(),
        /** Deviation of the noise that tells copies of experts apart, in units of each weight's own deviation. */
        noise: amount(MAX_FACTOR).default(0),
        /** Refuses a start that does not fit as a whole, instead of telling what is new. */
        strict: z.boolean().default(false),
      })
      .optional(),
    /** How the model that `initialize` names is tuned; what it is then comes from there, not from `model`. @default not */
    tune: tune.optional(),
    engine: z.string().default('auto'),
    device: z.string().optional(),
    /** `auto` takes the one that trains faster on the processor that the run begins on. */
    precision: z.enum(['f32', 'bf16', 'auto']).default('f32'),
    /** @default the engine's own */
    threads: count(1024).optional(),
    /**
     * Bytes of memory that the run may take, by the estimate that is asked before anything is allocated; more than the
     * machine has goes on anyway. @default the machine's, or its control group's
     */
    memoryBytes: count(2 ** 50).optional(),
    checkpoint: z
      .strictObject({
        every: stretch.default('10%'),
        /** Complete checkpoints that stay; the last is always among them. */
        keep: count(MAX_FACTOR).default(2),
      })
      .prefault({}),
    telemetry: z
      .strictObject({
        /** Stretch of steps in which the routers are looked at once for each task; null never looks. */
        every: duration.nullable().default('2%'),
      })
      .prefault({}),
    validation: z
      .strictObject({
        every: stretch.default('20%'),
        /** Samples of each split. */
        limit: count(MAX_ROWS).default(128),
        /** Splits to look at, in any usual spelling; test is for evaluate. @default validation */
        splits: z.array(z.string()).optional(),
        /**
         * Score whose best checkpoint is kept, and used by evaluate and predict: a value of validation such as
         * `mnist/validation/accuracy`, or the end of several, such as `validation/loss` or `loss`, for their mean.
         * @default none: the last checkpoint is used
         */
        best: z
          .strictObject({
            score: z.string().min(1),
            /** @default lower for losses, higher for accuracies */
            better: z.enum(['higher', 'lower']).optional(),
          })
          .optional(),
        /** Ends the run when the best score no longer improves. Needs `best`. @default trains to the end */
        stop: z
          .strictObject({
            /** Validations in a row without an improvement. */
            patience: count(MAX_FACTOR),
            /** Least change of the score that is one. */
            minimumDelta: amount(1e12).default(0),
          })
          .optional(),
      })
      .prefault({}),
  });

/** The schema of recipes, with the task families, models and optimizers that are registered now. */
export const recipeSchema: () => ReturnType<typeof schemaWith> = madeOfRecords(() =>
  schemaWith(taskRecipeSchema(), modelSettingsSchema(), tuneSchema()),
);

/** A recipe with everything filled in. */
export type Recipe = z.output<ReturnType<typeof schemaWith>>;
/** What a recipe file may say. */
export type RecipeInput = z.input<ReturnType<typeof schemaWith>>;

/**
 * A recipe file with types: `export default defineRecipe({ ... })`. The compiler and editors know every setting, and what
 * they can't see (ranges, names of keys in plain JavaScript) is checked here. Nothing is filled in.
 * @throws ConfigError as {@link parseRecipe}
 */
export const defineRecipe = (recipe: RecipeInput): RecipeInput => {
  parseRecipe(recipe);
  return recipe;
};

/**
 * Checks a recipe and fills in its defaults.
 * @throws ConfigError naming the setting, what is allowed and what came; an unknown key lists the known ones
 */
export const parseRecipe = (input: unknown): Recipe =>
  checkSettings(recipeSchema(), withoutFormerDefaults(input), 'recipe');

/**
 * Checks a recipe that a run folder holds, whatever version wrote it.
 * @throws ConfigError as {@link parseRecipe}
 */
export const parseStoredRecipe = (stored: unknown): Recipe => parseRecipe(withoutFormerSettings(stored));
