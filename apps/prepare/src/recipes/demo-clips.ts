/**
 * Clips of handwritten digits that move, which the demo's model never saw: what it is prompt-tuned to. Their digits are those
 * of the mini suite, each on its side.
 * Command: npx polygate prepare --recipe demo-clips --for runs/demo
 */
import type { PrepareRecipeInput } from '../recipe.ts';

export const demoClips = {
  name: 'demo-clips',
  image: { size: 48 },
  video: { frames: 4 },
  text: { length: 64 },
  tokenizer: { vocabularySize: 1024, lowercase: true },
  sources: {
    'moving-digits': {
      source: 'moving-digits',
      digits: 'small',
      frames: 4,
      train: 2000,
      validation: 200,
      test: 700,
    },
  },
} satisfies PrepareRecipeInput & { readonly video: object };
