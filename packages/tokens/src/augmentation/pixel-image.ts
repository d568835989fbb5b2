/** Images as augmentations see them: HWC, 0 to 255. */
import { ShapeError } from '@polygate/core';

export interface PixelShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** Values of a pixel that colours are read from. */
const COLOURS = 3;

/** Number of values. */
export const sizeOf = ({ height, width, channels }: PixelShape): number => height * width * channels;

/** @throws ShapeError for another number of bytes */
export const requirePixels = (name: string, pixels: Uint8Array, shape: PixelShape): void => {
  const expected = sizeOf(shape);
  if (pixels.length === expected) return;
  throw new ShapeError(
    `${name}: expected ${shape.height}x${shape.width}x${shape.channels} = ${expected} bytes, got ${pixels.length}`,
  );
};

/** @throws ShapeError for images that are not red, green and blue */
export const requireColours = (name: string, { channels }: PixelShape): void => {
  if (channels === COLOURS) return;
  throw new ShapeError(
    `${name}: expected images of 3 channels, got ${channels}; leave it out of the augmentation`,
  );
};

/** A number as a value of a pixel, rounded to the nearest. */
export const toByte = (value: number): number =>
  value <= 0 ? 0 : value >= 255 ? 255 : Math.floor(value + 0.5);
