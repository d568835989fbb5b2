export { pretrain } from './pretrain.ts';
export type { PretrainContext, PretrainOptions, PretrainResult } from './pretrain.ts';
export { pretrainSynthetic } from './pretrain-synthetic.ts';
export { describeRecipe } from './describe.ts';
export { resolvePretrainRecipe } from './resolve-recipe.ts';
export { pretrainRecipes } from './recipes/index.ts';
