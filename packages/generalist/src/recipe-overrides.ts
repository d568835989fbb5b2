/** Settings from the command line, `path=value`, laid over a recipe. */
import { laySettings } from '@polygate/core';
import { parseRecipe, recipeSchema, type Recipe, type RecipeInput } from './recipe.ts';

/**
 * Lays settings such as `optimizer.learningRate=1e-3`, `steps=500` or `tasks.mnist.weight=2` over a recipe.
 * @throws ConfigError for text that is not `path=value`, an unknown path (lists the known keys), or a value that does
 * not fit
 */
export const applyOverrides = (recipe: RecipeInput, settings: readonly string[]): Recipe =>
  parseRecipe(laySettings(recipeSchema(), recipe, settings));
