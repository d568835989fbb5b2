/** The pretrain stage: a recipe by name or as a record, trained into a run folder. */
import {
  trainRecipe,
  trainSynthetic,
  type TrainRecipeContext,
  type TrainRecipeOptions,
  type TrainRecipeResult,
} from '@polygate/runs';
import { fitPretrainRecipe, type PretrainChoice } from './resolve-recipe.ts';

export interface PretrainOptions extends Omit<TrainRecipeOptions, 'recipe'>, PretrainChoice {}

const resolved = async (
  { recipe, set = [], suite, ...rest }: PretrainOptions,
  { logger }: TrainRecipeContext,
): Promise<TrainRecipeOptions> => ({
  ...rest,
  recipe: await fitPretrainRecipe({ recipe, set, suite }, logger),
});

/**
 * Trains a recipe, or goes on with a run that was stopped, as `trainRecipe` of @polygate/runs says.
 * @throws ConfigError for an unknown recipe or setting, and as `trainRecipe`
 */
export const pretrain = async (
  options: PretrainOptions,
  context: TrainRecipeContext = {},
): Promise<TrainRecipeResult> => trainRecipe(await resolved(options, context), context);

/** As {@link pretrain}, but on made-up data with small batches. @throws as {@link pretrain} */
export const pretrainSynthetic = async (
  options: PretrainOptions,
  context: TrainRecipeContext = {},
): Promise<TrainRecipeResult> => trainSynthetic(await resolved(options, context), context);
