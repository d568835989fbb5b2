import { z } from 'zod';
import { loadTabler } from '../mini/tabler.ts';
import { defineReader } from './dataset-reader.ts';
import { percentSetting } from './reader-settings.ts';

/** Line icons with their names and tags. */
export const tablerIconsReader = defineReader({
  name: 'tabler-icons',
  summary: 'line icons with names and tags as captions, from an npm package',
  needs: 'no path: its data comes as an npm package',
  settings: {
    unseenPercent: percentSetting.default(5),
    validationPercent: percentSetting.default(3),
    keepPercent: z.number().min(1).max(100).default(100),
  },
  kinds: ['captioned-image'],
  paths: {},
  givesPlans: true,
  dataSources: () => ['tabler-icons'],
  async open(settings, { key, imageSize, packages }) {
    const set = await loadTabler({ ...settings, size: imageSize }, packages);
    return {
      name: key,
      kind: 'captioned-image',
      splits: ['train', 'validation', 'unseen-icons'],
      parts: [set],
      extra: ['base', 'category'],
      packages: ['tabler-icons'],
    };
  },
});
