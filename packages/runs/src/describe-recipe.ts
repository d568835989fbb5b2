/** What a recipe asks for in words and tables, nothing allocated. */
import { architectureOf, configureModel, modelSize, standInData, type Recipe } from '@polygate/generalist';
import { taskFamilies } from '@polygate/tasks';
import { describeSize, estimateSize } from './size-estimate.ts';

/** Tokens of a row of text that memory is estimated for: the paper's. */
const TEXT_LENGTH = 128;

/** Stand for the tasks of a recipe that takes what its suite allows: one of each family that such recipes train. */
const unnamedTasks = (): readonly string[] =>
  taskFamilies().flatMap(({ name, taskName }) => (taskName ? [name] : []));

/** An estimate of a recipe's run, on data of the sizes that its model was made for. @throws as {@link describeRecipe} */
export const estimateAhead = (recipe: Recipe) => {
  const tasks = Object.entries(recipe.tasks).map(([name, { family, dataset }]) => ({
    name,
    family,
    dataset,
  }));
  const data = standInData(recipe.model, tasks);
  const model = modelSize(configureModel(recipe.model, data));
  const { channels, height, width } = data.image;
  const context = { model, channels, pixels: Math.max(height, width), textLength: TEXT_LENGTH };
  return { model, estimate: estimateSize(recipe, context) };
};

/**
 * Sizes and costs of a recipe's model. Sizes are those that its settings were made for: a suite's vocabulary replaces
 * theirs when it is trained.
 * @throws ConfigError for an unknown preset or sizes that make no model
 */
export const describeRecipe = (recipe: Recipe): string => {
  const named = Object.keys(recipe.tasks);
  return [
    architectureOf(recipe.model).describe(recipe.model, named.length > 0 ? named : unnamedTasks()),
    ...(named.length > 0 ? [describeSize(recipe, estimateAhead(recipe).estimate)] : []),
  ].join('\n');
};
