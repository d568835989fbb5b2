/** The tune stage: a run or model, a suite and a recipe -> a run folder with what was tuned. */
import {
  trainRecipe,
  type TrainRecipeContext,
  type TrainRecipeOptions,
  type TrainRecipeResult,
} from '@polygate/runs';
import { resolveTuneRecipe, type TuneChoice } from './resolve-recipe.ts';

export interface TuneOptions extends Omit<TrainRecipeOptions, 'recipe'>, TuneChoice {}

/**
 * Tunes a model, or goes on with a run that was stopped, as `trainRecipe` of @polygate/runs says.
 * @throws as `resolveTuneRecipe` and `trainRecipe`
 */
export const tune = async (
  { run, resume, base, ...choice }: TuneOptions,
  context: TrainRecipeContext = {},
): Promise<TrainRecipeResult> =>
  trainRecipe(
    {
      recipe: await resolveTuneRecipe({ ...choice, ...(base === undefined ? {} : { base }) }, context.logger),
      ...(run === undefined ? {} : { run }),
      ...(resume === undefined ? {} : { resume }),
      ...(base === undefined ? {} : { base }),
    },
    context,
  );
