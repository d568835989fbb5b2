/**
 * The full mini suite: all that its parts have (mini-digits, mini-drawings, mini-sprites, mini-texts, mini-glue) with one
 * tokenizer. 273 MB to fetch; docs/mini-suite.md says what is in it, and how long it takes.
 * Command: npx polygate prepare --recipe mini-full
 */
import type { PrepareRecipeInput } from '../recipe.ts';
import { miniDigits } from './mini-digits.ts';
import { miniDrawings } from './mini-drawings.ts';
import { miniGlue } from './mini-glue.ts';
import { miniSprites } from './mini-sprites.ts';
import { miniTexts } from './mini-texts.ts';

export const miniFull = {
  name: 'mini-full',
  image: { size: 48 },
  video: { frames: 8 },
  text: { length: 64 },
  tokenizer: { vocabularySize: 4096, lowercase: true },
  sources: {
    ...miniDrawings.sources,
    ...miniDigits.sources,
    ...miniSprites.sources,
    ...miniTexts.sources,
    ...miniGlue.sources,
  },
} satisfies PrepareRecipeInput & { readonly video: object };
