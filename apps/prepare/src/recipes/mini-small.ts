/**
 * A tenth of the mini suite at 32 pixels, for tests and for trying out a pipeline within seconds.
 * Command: npx polygate prepare --recipe mini-small
 */
import type { PrepareRecipeInput } from '../recipe.ts';

export const miniSmall = {
  name: 'mini-small',
  image: { size: 32 },
  text: { length: 48 },
  tokenizer: { vocabularySize: 1024, lowercase: true },
  sources: {
    emoji: { source: 'emoji', keepPercent: 12 },
    mnist: { source: 'mnist', perDigit: 40 },
    text: { source: 'mini-text', every: 40 },
  },
} satisfies PrepareRecipeInput;
