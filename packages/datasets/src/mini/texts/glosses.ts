import { loadRelatedSynsets } from '../wordnet-data.ts';
import { wordNetSet } from '../wordnet.ts';
import type { RunningText } from './running-text.ts';

export const glosses: RunningText = Object.freeze({
  name: 'wordnet',
  summary: 'definitions and examples of WordNet 3.0; those of held-out lemmas are held out',
  sources: ['wordnet-30'],
  async load({ every, packages }) {
    const synsets = await loadRelatedSynsets(packages);
    // Tokenizers of small letters see no difference of case.
    return wordNetSet(
      synsets.filter((_, index) => index % every === 0),
      10,
      (text) => text.toLowerCase(),
    );
  },
} satisfies RunningText);
