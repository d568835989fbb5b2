/** The pretrain stage: a recipe by name or as a record, trained into a run folder. */
import {
  trainRecipe,
  trainSynthetic,
  type TrainRecipeContext,
  type TrainRecipeOptions,
  type TrainRecipeResult,
} from '@polygate/runs';
import { resolvePretrainRecipe } from './resolve-recipe.ts';

export interface PretrainOptions extends Omit<TrainRecipeOptions, 'recipe'> {
  /** Name of a recipe, or a recipe itself. */
  readonly recipe: string | object;
  /** Settings `path=value` laid over the recipe. */
  readonly set?: readonly string[];
}

const resolved = ({ recipe, set = [], ...rest }: PretrainOptions): TrainRecipeOptions => ({
  ...rest,
  recipe: resolvePretrainRecipe({ recipe, set }),
});

/**
 * Trains a recipe, or goes on with a run that was stopped, as `trainRecipe` of @polygate/runs says.
 * @throws ConfigError for an unknown recipe or setting, and as `trainRecipe`
 */
export const pretrain = async (
  options: PretrainOptions,
  context: TrainRecipeContext = {},
): Promise<TrainRecipeResult> => trainRecipe(resolved(options), context);

/** As {@link pretrain}, but on made-up data with small batches. @throws as {@link pretrain} */
export const pretrainSynthetic = async (
  options: PretrainOptions,
  context: TrainRecipeContext = {},
): Promise<TrainRecipeResult> => trainSynthetic(resolved(options), context);
