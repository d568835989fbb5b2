/**
 * Handwritten digits and clothes, 139,946 small images with their classes, and clips of digits that move. 51 MB to fetch.
 * Command: npx polygate prepare --recipe mini-digits
 */
import type { PrepareRecipeInput } from '../recipe.ts';

export const miniDigits = {
  name: 'mini-digits',
  image: { size: 32 },
  video: { frames: 8 },
  tokenizer: { vocabularySize: 1024, lowercase: true },
  sources: {
    mnist: { source: 'mnist-full' },
    fashion: { source: 'fashion-mnist' },
    'digit-clips': { source: 'moving-digits', label: 'digit' },
    'motion-clips': { source: 'moving-digits', label: 'motion', seed: 2 },
  },
} satisfies PrepareRecipeInput & { readonly video: object };
