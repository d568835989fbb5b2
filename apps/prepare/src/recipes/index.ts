import { captions } from './captions.ts';
import { demoClips } from './demo-clips.ts';
import { imageFolder } from './image-folder.ts';
import { miniDigits } from './mini-digits.ts';
import { miniDrawings } from './mini-drawings.ts';
import { miniFull } from './mini-full.ts';
import { miniGlue } from './mini-glue.ts';
import { miniSmall } from './mini-small.ts';
import { miniSprites } from './mini-sprites.ts';
import { miniTexts } from './mini-texts.ts';
import { mini } from './mini.ts';
import { sm4Suites } from './sm4.ts';

/** Recipes by name. Those for own data are complete only with the paths that the user sets. */
export const prepareRecipes: Readonly<Record<string, unknown>> = {
  mini,
  'mini-small': miniSmall,
  'demo-clips': demoClips,
  'mini-full': miniFull,
  'mini-digits': miniDigits,
  'mini-drawings': miniDrawings,
  'mini-sprites': miniSprites,
  'mini-texts': miniTexts,
  'mini-glue': miniGlue,
  captions,
  'image-folder': imageFolder,
  ...sm4Suites,
};
