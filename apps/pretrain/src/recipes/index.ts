import type { Suite } from '@polygate/datasets';
import { smallImages, type FittedRecipe, type RecipeInput } from '@polygate/generalist';
import { demoWasm } from './demo-wasm.ts';
import { demo } from './demo.ts';
import { labelledText } from './labelled-text.ts';
import { miniGeneralist } from './mini-generalist.ts';
import { sm4Recipes } from './sm4.ts';
import { uniPerceiverRecipes } from './uni-perceiver.ts';

/** Every recipe of this stage by name. */
export const pretrainRecipes: Readonly<Record<string, RecipeInput>> = Object.freeze({
  demo,
  'demo-wasm': demoWasm,
  'mini-generalist': miniGeneralist,
  ...sm4Recipes,
  ...uniPerceiverRecipes,
});

/** Recipes that a suite decides, by name: a function of what is prepared in a folder. */
export const suiteRecipes: Readonly<Record<string, (suite: Suite, folder: string) => FittedRecipe>> =
  Object.freeze({
    'labelled-text': labelledText,
    'small-images': (suite, folder) => smallImages(suite, { folder }),
  });
