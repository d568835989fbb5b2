/**
 * Running text, 37 million characters: speeches, a novel, two translations of the Bible, glosses, fortunes and mails. 43 MB
 * to fetch, five Debian packages among them.
 * Command: npx polygate prepare --recipe mini-texts
 */
import type { PrepareRecipeInput } from '../recipe.ts';

export const miniTexts = {
  name: 'mini-texts',
  text: { length: 64 },
  tokenizer: { vocabularySize: 4096, lowercase: true },
  sources: {
    'running-text': { source: 'running-text' },
  },
} satisfies PrepareRecipeInput;
