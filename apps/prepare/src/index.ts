export { prepare, resolvePrepareRecipe } from './prepare.ts';
export type { PrepareContext, PreparedSuite, PrepareOptions } from './prepare.ts';
export { applyPrepareSettings, definePrepareRecipe, parsePrepareRecipe } from './recipe.ts';
export type { PrepareRecipe, PrepareRecipeInput, SourceRecipe } from './recipe.ts';
export { describePathRecipe, recipeForPath } from './path-recipe.ts';
export type { PathRecipe, PathRecipeOptions, ReaderFinding } from './path-recipe.ts';
export { prepareRecipes } from './recipes/index.ts';
export { isRecipeThere, writeRecipeFile } from './recipe-file.ts';
