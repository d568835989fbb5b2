import { ownValue, unknownName } from '@polygate/core';
import { applyOverrides, type Recipe, type RecipeInput } from '@polygate/generalist';
import { pretrainRecipes } from './recipes/index.ts';

/**
 * The recipe of a name or record, with the settings laid over it.
 * @throws ConfigError listing the known recipes, keys or values
 */
export const resolvePretrainRecipe = (options: {
  readonly recipe: string | object;
  readonly set?: readonly string[];
}): Recipe => {
  const { recipe, set = [] } = options;
  // Defaults are those of the kinds that the settings choose, so they are filled in last.
  if (typeof recipe !== 'string') return applyOverrides(recipe as RecipeInput, set);
  const named = ownValue(pretrainRecipes, recipe);
  if (!named) throw unknownName('pretrain recipe', recipe, Object.keys(pretrainRecipes));
  return applyOverrides(named, set);
};
