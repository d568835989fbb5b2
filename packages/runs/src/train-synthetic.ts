/** A recipe on made-up data: whether it runs, and how large it will be, before its data and machines are there. */
import { ConfigError, silentLogger } from '@polygate/core';
import type { Recipe } from '@polygate/generalist';
import { lockRun } from '@polygate/training';
import { join } from 'node:path';
import { estimateAhead } from './describe-recipe.ts';
import { describeSize } from './size-estimate.ts';
import { writeSyntheticSuite } from './synthetic-suite.ts';
import {
  trainRecipe,
  type TrainRecipeContext,
  type TrainRecipeOptions,
  type TrainRecipeResult,
} from './train-recipe.ts';

/** Samples of a step of every task: enough for a contrastive loss, small enough for any machine. */
const SYNTHETIC_BATCH = 4;
/** Patches along a side of the made-up images. */
const SYNTHETIC_GRID = 2;

const shrunk = (recipe: Recipe, suite: string): Recipe => ({
  ...recipe,
  suite,
  image: undefined,
  tasks: Object.fromEntries(
    Object.entries(recipe.tasks).map(([name, task]) => [
      name,
      // Of so few samples nothing is left out: a class could be without any.
      { ...task, batchSize: Math.min(task.batchSize, SYNTHETIC_BATCH), subset: undefined },
    ]),
  ),
  validation: { ...recipe.validation, every: '100%', limit: SYNTHETIC_BATCH },
  checkpoint: { every: '100%', keep: 1 },
});

/**
 * As {@link trainRecipe}, but on images of noise and drawn words in the run folder, with small batches and a small
 * vocabulary; model, tasks and optimisation are the recipe's. Warns of what the recipe itself will need.
 * @throws as {@link trainRecipe}
 */
export const trainSynthetic = async (
  options: TrainRecipeOptions,
  context: TrainRecipeContext = {},
): Promise<TrainRecipeResult> => {
  const { logger = silentLogger, communicator } = context;
  if (communicator && communicator.size > 1) {
    throw new ConfigError(
      `--synthetic: expected one process, got ${communicator.size}: it shows that a recipe runs; leave --processes out`,
    );
  }
  const { recipe } = options;
  const { model, estimate } = estimateAhead(recipe);
  const pixels = SYNTHETIC_GRID * model.patch;
  logger.warn(
    `${describeSize(recipe, estimate)}; this run has made-up images of ${pixels}x${pixels} and at most ${SYNTHETIC_BATCH} samples a step`,
  );
  const run = options.run ?? join('runs', `${recipe.name}-synthetic`);
  const suite = join(run, 'synthetic-suite');
  await using lock = await lockRun(run, 'pretrain');
  await writeSyntheticSuite(suite, recipe, { pixels });
  return await trainRecipe({ ...options, recipe: shrunk(recipe, suite), run }, { ...context, lock });
};
