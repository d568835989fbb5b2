/**
 * Eight tasks of language understanding in the manner of GLUE; spam is a check and not a part of their average. 34 MB to
 * fetch, five Debian packages among them.
 * Command: npx polygate prepare --recipe mini-glue
 */
import type { PrepareRecipeInput } from '../recipe.ts';

export const miniGlue = {
  name: 'mini-glue',
  text: { length: 64 },
  tokenizer: { vocabularySize: 4096, lowercase: true },
  sources: {
    'word-in-context': { source: 'mini-glue', task: 'word-in-context' },
    'supersense-noun': { source: 'mini-glue', task: 'supersense-noun' },
    'supersense-verb': { source: 'mini-glue', task: 'supersense-verb' },
    'definition-match': { source: 'mini-glue', task: 'definition-match' },
    'substitution-inference': { source: 'mini-glue', task: 'substitution-inference' },
    'verse-pairs': { source: 'mini-glue', task: 'verse-pairs' },
    'fortune-topic': { source: 'mini-glue', task: 'fortune-topic' },
    spam: { source: 'mini-glue', task: 'spam' },
  },
} satisfies PrepareRecipeInput;
