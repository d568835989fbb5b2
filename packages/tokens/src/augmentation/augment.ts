/**
 * The images or clips of a batch, changed: each by a stream of its own, then rows mixed by the stream of the step.
 *
 * B rows · F frames · H, W, C image
 */
import type { Random } from '@polygate/core';
import { isBatchAugmentation, type Mixing, type PixelChange } from './augmentation.ts';
import { sizeOf, type PixelShape } from './pixel-image.ts';
import { augmentationSteps, type Augmentation, type ResolvedStep } from './steps.ts';

/** A batch of images, or of clips frame after frame. */
export interface PixelBatch extends PixelShape {
  /** [B, F, H, W, C], borrowed. */
  readonly pixels: Uint8Array;
  /** B */
  readonly size: number;
  /** F */
  readonly frames: number;
}

export interface AugmentOptions {
  readonly augmentation: Augmentation;
  /** Stream of a row: asked again, it begins anew. */
  rowRandom(row: number): Random;
  /** Stream that all rows of the step share. @default no rows are mixed */
  readonly stepRandom?: Random | undefined;
}

export interface AugmentedBatch {
  /** [B, F, H, W, C] */
  readonly pixels: Uint8Array;
  /** How rows were mixed; their labels are then mixed alike. */
  readonly mixing?: Mixing;
}

/** Whether rows are mixed, so that each has two labels. */
export const mixesRows = (augmentation: Augmentation): boolean =>
  augmentationSteps(augmentation).some(({ record }) => isBatchAugmentation(record));

/** What the steps do with one image or clip. A single step has the row's stream, each of several one of its own. */
const changesOf = (
  steps: readonly ResolvedStep[],
  shape: PixelShape,
  begin: () => Random,
): readonly PixelChange[] =>
  steps.flatMap(({ record, settings }, i) => {
    if (isBatchAugmentation(record)) return [];
    return record.draw(settings, { shape, begin: steps.length === 1 ? begin : () => begin().fork(i) }) ?? [];
  });

/** A changed copy. The frames of a clip are changed alike. @throws ShapeError for images that a step can't change */
export const augmentBatch = (batch: PixelBatch, options: AugmentOptions): AugmentedBatch => {
  const { size, frames, height, width, channels } = batch;
  const { rowRandom, stepRandom } = options;
  const shape = { height, width, channels };
  const steps = augmentationSteps(options.augmentation);
  const area = sizeOf(shape);
  let pixels: Uint8Array = new Uint8Array(batch.pixels.length);
  for (let row = 0; row < size; row += 1) {
    const changes = changesOf(steps, shape, () => rowRandom(row));
    for (let frame = 0; frame < frames; frame += 1) {
      const at = (row * frames + frame) * area;
      const image = batch.pixels.subarray(at, at + area);
      pixels.set(
        changes.reduce((changed, change) => change(changed), image),
        at,
      );
    }
  }
  let mixing: Mixing | undefined;
  for (const [i, { record, settings }] of steps.entries()) {
    if (!stepRandom || !isBatchAugmentation(record)) continue;
    const drawn = record.mix(settings, { size, shape, frames, random: stepRandom.fork(i) });
    if (!drawn) continue;
    pixels = drawn.apply(pixels);
    mixing = { partners: drawn.partners, shares: drawn.shares };
  }
  return { pixels, ...(mixing ? { mixing } : {}) };
};
