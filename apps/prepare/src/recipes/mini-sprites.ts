/**
 * Clips of a game's sprites: what a unit does, where it faces, and captions with pairs of weapon and outfit held out.
 * 123 MB to fetch, as a Debian package.
 * Command: npx polygate prepare --recipe mini-sprites
 */
import type { PrepareRecipeInput } from '../recipe.ts';

export const miniSprites = {
  name: 'mini-sprites',
  image: { size: 48 },
  video: { frames: 8 },
  tokenizer: { vocabularySize: 1024, lowercase: true },
  sources: {
    'sprite-action': { source: 'sprite-clips', label: 'action' },
    'sprite-direction': { source: 'sprite-clips', label: 'direction' },
    'sprite-captions': { source: 'sprite-captions' },
  },
} satisfies PrepareRecipeInput & { readonly video: object };
