export { pretrain, pretrainSynthetic } from './pretrain.ts';
export type { PretrainOptions } from './pretrain.ts';
export { resolvePretrainRecipe } from './resolve-recipe.ts';
export { pretrainRecipes } from './recipes/index.ts';
