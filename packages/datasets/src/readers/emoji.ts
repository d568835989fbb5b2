import { z } from 'zod';
import { emojiSplits, loadEmoji } from '../mini/emoji.ts';
import { usualVendors, vendorSources } from '../mini/emoji-vendor.ts';
import { withoutHeldOutImages } from '../mini/without-held-out-images.ts';
import { defineReader } from './dataset-reader.ts';
import { percentSetting } from './reader-settings.ts';

/** Emoji of several vendors as images, with captions and with groups as labels. */
export const emojiReader = defineReader({
  name: 'emoji',
  summary: 'emoji of several vendors with captions and groups, from npm packages',
  needs: 'no path: its data comes as npm packages',
  settings: {
    vendors: z.array(z.string()).optional(),
    /** Whether training images that another split shows pixel for pixel are left out. @default false */
    distinct: z.boolean().optional(),
    heldOutVendor: z.string().default('openmoji'),
    unseenPercent: percentSetting.default(15),
    validationPercent: percentSetting.default(3),
    keepPercent: z.number().min(1).max(100).default(100),
    /** Captions of each emoji that are made of keywords, beside its name. */
    keywordCaptions: z.number().int().min(0).max(4).default(2),
  },
  kinds: ['captioned-image', 'labelled-image'],
  paths: {},
  givesPlans: true,
  dataSources: ({ vendors = usualVendors }) => ['emojibase', ...vendorSources(vendors)],
  async open(settings, { key, imageSize, packages }) {
    const loaded = await loadEmoji({ ...settings, size: imageSize }, packages);
    const set = settings.distinct ? withoutHeldOutImages(loaded, imageSize) : loaded;
    return {
      name: `${key}-captions`,
      kind: 'captioned-image',
      splits: emojiSplits,
      classes: set.reader.classes ?? [],
      parts: [set],
      extra: ['concept', 'vendor', 'group'],
      labelledTwin: `${key}-group`,
      packages: ['emojibase', ...vendorSources(settings.vendors ?? usualVendors)],
    };
  },
});
