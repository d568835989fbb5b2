import { ConfigError, ownValue, silentLogger, unknownName, type Logger } from '@polygate/core';
import { readSuite } from '@polygate/datasets';
import { applyOverrides, type Recipe, type RecipeInput } from '@polygate/generalist';
import { pretrainRecipes, suiteRecipes } from './recipes/index.ts';

/** A recipe by name or as a record, and what is laid over it. */
export interface PretrainChoice {
  readonly recipe: string | object;
  /** Settings `path=value` laid over the recipe. */
  readonly set?: readonly string[];
  /** Folder of a prepared suite. @default the recipe's */
  readonly suite?: string | undefined;
}

/**
 * The recipe of a name or record, with the settings laid over it.
 * @throws ConfigError listing the known recipes, keys or values
 */
export const resolvePretrainRecipe = ({ recipe, suite, set: settings = [] }: PretrainChoice): Recipe => {
  const set = suite === undefined ? settings : [`suite=${suite}`, ...settings];
  // Defaults are those of the kinds that the settings choose, so they are filled in last.
  if (typeof recipe !== 'string') return applyOverrides(recipe as RecipeInput, set);
  const named = ownValue(pretrainRecipes, recipe);
  if (!named)
    throw unknownName('pretrain recipe', recipe, [
      ...Object.keys(pretrainRecipes),
      ...Object.keys(suiteRecipes),
    ]);
  return applyOverrides(named, set);
};

/** The suite of the settings: the last one counts. */
const suiteOf = (set: readonly string[]): string | undefined =>
  set.findLast((setting) => /^\s*suite\s*=/u.test(setting))?.replace(/^[^=]*=/u, '');

/**
 * As {@link resolvePretrainRecipe}, also of the recipes that a suite decides, whose reasons are told; settings win.
 * @throws ConfigError as that, and (code `no-suite`) where such a recipe is asked for without a suite
 */
export const fitPretrainRecipe = async (
  choice: PretrainChoice,
  logger: Logger = silentLogger,
): Promise<Recipe> => {
  const { recipe, set = [] } = choice;
  const fitted = typeof recipe === 'string' ? ownValue(suiteRecipes, recipe) : undefined;
  if (!fitted) return resolvePretrainRecipe(choice);
  const folder = suiteOf(set) ?? choice.suite;
  if (folder === undefined) {
    throw new ConfigError(
      `recipe ${String(recipe)}: expected a prepared suite, which decides it, got none; give its folder by --suite`,
      { code: 'no-suite' },
    );
  }
  const made = fitted(await readSuite(folder), folder);
  for (const reason of made.reasons) logger.info(reason);
  return resolvePretrainRecipe({ recipe: made.recipe, set });
};
