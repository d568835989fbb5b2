import { z } from 'zod';
import { loadClipArt } from '../mini/clip-art/clip-art.ts';
import { withoutHeldOutImages } from '../mini/without-held-out-images.ts';
import { defineReader } from './dataset-reader.ts';
import { percentSetting } from './reader-settings.ts';

/** Drawings with titles, or with their categories. */
export const openClipartReader = defineReader({
  name: 'openclipart',
  summary: 'drawings with titles and tags as captions, or with categories, from a Debian package',
  needs: 'no path: its data comes as a Debian package',
  settings: {
    kind: z.enum(['captioned-image', 'labelled-image']).default('captioned-image'),
    unseenPercent: percentSetting.default(15),
    validationPercent: percentSetting.default(3),
  },
  kinds: ['captioned-image', 'labelled-image'],
  paths: {},
  givesPlans: true,
  dataSources: () => ['openclipart'],
  async open(settings, { key, imageSize, packages }) {
    const set = withoutHeldOutImages(
      await loadClipArt({ ...settings, size: imageSize }, packages),
      imageSize,
    );
    return {
      name: key,
      kind: settings.kind,
      splits: ['train', 'validation', 'unseen-series'],
      ...(set.reader.classes ? { classes: set.reader.classes } : {}),
      parts: [set],
      extra: ['series', 'category'],
      packages: ['openclipart'],
    };
  },
});
