import { captions } from './captions.ts';
import { imageFolder } from './image-folder.ts';
import { miniDigits } from './mini-digits.ts';
import { miniSmall } from './mini-small.ts';
import { mini } from './mini.ts';

/** Recipes by name. Those for own data are complete only with the paths that the user sets. */
export const prepareRecipes: Readonly<Record<string, unknown>> = {
  mini,
  'mini-small': miniSmall,
  'mini-digits': miniDigits,
  captions,
  'image-folder': imageFolder,
};
