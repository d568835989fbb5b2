/** Augmentations by name: those of this package and those that others register. */
import { call, createRegistry, optional, settingShape, type RecordShape } from '@polygate/core';
import { affine } from './affine.ts';
import type {
  AugmentationFields,
  AugmentationRecord,
  BatchAugmentation,
  ImageAugmentation,
} from './augmentation.ts';
import { colourJitter } from './colour-jitter.ts';
import { flip } from './flip.ts';
import { mix } from './mix.ts';
import { randAugment } from './rand-augment.ts';
import { randomCrop } from './random-crop.ts';
import { randomErasing } from './random-erasing.ts';
import { randomResizedCrop } from './random-resized-crop.ts';

/** What the fields of either kind of record must be; that it has one of `draw` and `mix` is checked beside. */
const shape = {
  settings: settingShape({ defaults: true }),
  draw: optional(call()),
  mix: optional(call()),
} as unknown as RecordShape<AugmentationRecord>;

const augmentations = createRegistry<AugmentationRecord>(
  'augmentation',
  [
    affine,
    randomResizedCrop,
    randomCrop,
    flip,
    colourJitter,
    randAugment,
    randomErasing,
    mix,
  ] as unknown as readonly AugmentationRecord[],
  shape,
);

/** Makes an augmentation known under its name, for the whole process. @throws ConfigError when the name is taken */
export const registerAugmentation = <Fields extends AugmentationFields>(
  record: ImageAugmentation<Fields> | BatchAugmentation<Fields>,
): void => void augmentations.register(record as unknown as AugmentationRecord);
/** The record of a name. @throws ConfigError listing the registered names */
export const augmentationNamed = augmentations.named;
