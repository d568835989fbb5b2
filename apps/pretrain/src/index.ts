export { pretrain, pretrainSynthetic } from './pretrain.ts';
export type { PretrainOptions } from './pretrain.ts';
export { fitPretrainRecipe, resolvePretrainRecipe } from './resolve-recipe.ts';
export type { PretrainChoice } from './resolve-recipe.ts';
export { pretrainRecipes, suiteRecipes } from './recipes/index.ts';
