/** What an augmentation is to everything else: a record with settings, of one image or of the rows of a batch. */
import type { NamedRecord, Random } from '@polygate/core';
import type { z } from 'zod';
import type { PixelShape } from './pixel-image.ts';

/** Fields of a zod object. */
export type AugmentationFields = z.ZodRawShape;

/** Settings with everything filled in. */
export type AugmentationSettings<Fields extends AugmentationFields> = Readonly<z.output<z.ZodObject<Fields>>>;

/** What an image is changed by: its own stream. */
export interface ImageDraw {
  readonly shape: PixelShape;
  /** The stream of the image, or of the clip: a new one each time, that begins where the others do. */
  begin(): Random;
}

/** A changed copy of [H, W, C], of the same size; the input is borrowed. */
export type PixelChange = (pixels: Uint8Array) => Uint8Array;

/** An augmentation of single images. The frames of a clip get one draw. */
export interface ImageAugmentation<
  Fields extends AugmentationFields = AugmentationFields,
> extends NamedRecord {
  readonly settings: Fields;
  /** Draws what is done with one image; undefined for nothing. @throws ShapeError for images that it can't change */
  draw(settings: AugmentationSettings<Fields>, draw: ImageDraw): PixelChange | undefined;
}

/** Which other row each row is mixed with. */
export interface Mixing {
  /** [B] rows of the batch; the row itself where it stays as it is. */
  readonly partners: Int32Array;
  /** [B] what is left of the row, 0 to 1. */
  readonly shares: Float32Array;
}

export interface BatchDraw {
  /** Rows. */
  readonly size: number;
  /** Of one frame. */
  readonly shape: PixelShape;
  readonly frames: number;
  /** The stream that all rows of a step share. */
  readonly random: Random;
}

/** What is done with a batch. */
export interface DrawnMixing extends Mixing {
  /** Rows mixed: [B, frames, H, W, C], a copy. */
  apply(pixels: Uint8Array): Uint8Array;
}

/** An augmentation that mixes the rows of a batch, whose labels are then two each. */
export interface BatchAugmentation<
  Fields extends AugmentationFields = AugmentationFields,
> extends NamedRecord {
  readonly settings: Fields;
  /** Draws how the rows are mixed; undefined where they are not. */
  mix(settings: AugmentationSettings<Fields>, draw: BatchDraw): DrawnMixing | undefined;
}

export type AugmentationRecord = ImageAugmentation | BatchAugmentation;

export const isBatchAugmentation = (record: AugmentationRecord): record is BatchAugmentation =>
  'mix' in record;

/** One augmentation: its name and its settings. */
export interface AugmentationStep {
  readonly kind: string;
  readonly [setting: string]: unknown;
}
