/**
 * The mini suite: emoji of four vendors (groups and captions), handwritten digits, WordNet and Moby-Dick.
 * Command: npx polygate prepare --recipe mini
 */
import type { PrepareRecipeInput } from '../recipe.ts';

export const mini = {
  name: 'mini',
  image: { size: 48 },
  text: { length: 64 },
  tokenizer: { vocabularySize: 1024, lowercase: true },
  sources: {
    // Names alone: lists of keywords as captions teach a short run to write commas.
    emoji: { source: 'emoji', keywordCaptions: 0 },
    mnist: { source: 'mnist' },
    text: { source: 'mini-text' },
  },
} satisfies PrepareRecipeInput;
