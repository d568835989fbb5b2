export { countsOf, describeTuning } from './describe.ts';
export type { TrainedCounts } from './describe.ts';
export { resolveTuneRecipe } from './resolve-recipe.ts';
export type { TuneChoice } from './resolve-recipe.ts';
export { suiteTunings, tuneRecipes } from './recipes/index.ts';
export type { SuiteTuning } from './recipes/index.ts';
export { tune } from './tune.ts';
export type { TuneOptions } from './tune.ts';
