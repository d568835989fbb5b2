export { trainRecipe } from './train-recipe.ts';
export type { TrainRecipeContext, TrainRecipeOptions, TrainRecipeResult } from './train-recipe.ts';
export { trainSynthetic } from './train-synthetic.ts';
export { describeRecipe } from './describe-recipe.ts';
