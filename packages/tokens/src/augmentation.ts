/**
 * Light changes of training pictures that keep what they show. Pictures are uint8 HWC; every function returns a new
 * array of the same size and draws all its numbers from the stream that it is given.
 */
import { ConfigError, ShapeError } from '@polygate/core';
import type { Random } from '@polygate/core';

export interface PictureSize {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

export interface CropOptions extends PictureSize {
  readonly random: Random;
  /** Pixels by which the picture may move to each side. @default 4 */
  readonly padding?: number;
  /** What moves in: the nearest edge pixel, or one value 0..255 in all channels. @default 'edge' */
  readonly fill?: 'edge' | number;
}

export interface FlipOptions extends PictureSize {
  readonly random: Random;
  /** 0..1 @default 0.5 */
  readonly probability?: number;
}

export interface JitterOptions extends PictureSize {
  readonly random: Random;
  /** Factors are drawn from [1 - b, 1 + b]. @default 0.2 */
  readonly brightness?: number;
  /** Factors are drawn from [1 - c, 1 + c], around the picture's mean. @default 0.2 */
  readonly contrast?: number;
}

/** What {@link augmentPicture} does; absent parts are left out. */
export interface AugmentOptions extends PictureSize {
  readonly random: Random;
  readonly crop?: { readonly padding?: number; readonly fill?: 'edge' | number };
  readonly flip?: { readonly probability?: number };
  readonly jitter?: { readonly brightness?: number; readonly contrast?: number };
}

const checkPicture = (name: string, pixels: Uint8Array, size: PictureSize): void => {
  const expected = size.height * size.width * size.channels;
  if (pixels.length === expected) return;
  throw new ShapeError(
    `${name}: expected ${size.height}x${size.width}x${size.channels} = ${expected} bytes, got ${pixels.length}`,
    { fields: { expected, got: pixels.length } },
  );
};

const checkRange = (name: string, value: number, range: readonly [number, number]): void => {
  if (value >= range[0] && value <= range[1]) return;
  throw new ConfigError(`${name}: expected a number from ${range[0]} to ${range[1]}, got ${value}`);
};

/** Moves a picture by (down, right) pixels, filling what becomes free. */
export const shiftPicture = (
  pixels: Uint8Array,
  offset: { readonly down: number; readonly right: number },
  options: PictureSize & { readonly fill?: 'edge' | number },
): Uint8Array => {
  checkPicture('shiftPicture', pixels, options);
  const { height, width, channels, fill = 'edge' } = options;
  const result = new Uint8Array(pixels.length);
  const clamp = (value: number, limit: number): number => Math.min(Math.max(value, 0), limit - 1);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const fromY = clamp(y - offset.down, height);
      const fromX = clamp(x - offset.right, width);
      const inside = fromY === y - offset.down && fromX === x - offset.right;
      for (let c = 0; c < channels; c += 1) {
        result[(y * width + x) * channels + c] =
          inside || fill === 'edge' ? (pixels[(fromY * width + fromX) * channels + c] ?? 0) : fill;
      }
    }
  }
  return result;
};

/** A random crop of the padded picture, of the picture's own size. */
export const randomCrop = (pixels: Uint8Array, options: CropOptions): Uint8Array => {
  const { padding = 4, random } = options;
  if (!Number.isInteger(padding) || padding < 0) {
    throw new ConfigError(`randomCrop: expected a whole padding of 0 pixels or more, got ${padding}`);
  }
  const down = random.integer(2 * padding + 1) - padding;
  const right = random.integer(2 * padding + 1) - padding;
  return shiftPicture(pixels, { down, right }, options);
};

/** The mirror image, left for right. */
export const flipPicture = (pixels: Uint8Array, size: PictureSize): Uint8Array => {
  checkPicture('flipPicture', pixels, size);
  const { height, width, channels } = size;
  const result = new Uint8Array(pixels.length);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const from = (y * width + (width - 1 - x)) * channels;
      result.set(pixels.subarray(from, from + channels), (y * width + x) * channels);
    }
  }
  return result;
};

/** Mirrors with the given probability. */
export const randomFlip = (pixels: Uint8Array, options: FlipOptions): Uint8Array => {
  const { probability = 0.5, random } = options;
  checkRange('randomFlip, probability', probability, [0, 1]);
  checkPicture('randomFlip', pixels, options);
  return random.next() < probability ? flipPicture(pixels, options) : Uint8Array.from(pixels);
};

/** v -> ((v - mean) * contrast + mean) * brightness, rounded and clipped; mean over the whole picture. */
export const adjustPicture = (
  pixels: Uint8Array,
  factors: { readonly brightness: number; readonly contrast: number },
): Uint8Array => {
  let sum = 0;
  for (const value of pixels) sum += value;
  const mean = pixels.length === 0 ? 0 : sum / pixels.length;
  const table = new Uint8ClampedArray(256);
  for (let v = 0; v < 256; v += 1) {
    table[v] = Math.round(((v - mean) * factors.contrast + mean) * factors.brightness);
  }
  return Uint8Array.from(pixels, (value) => table[value] ?? 0);
};

/** Random brightness and contrast. */
export const colourJitter = (pixels: Uint8Array, options: JitterOptions): Uint8Array => {
  const { brightness = 0.2, contrast = 0.2, random } = options;
  checkRange('colourJitter, brightness', brightness, [0, 1]);
  checkRange('colourJitter, contrast', contrast, [0, 1]);
  checkPicture('colourJitter', pixels, options);
  const factor = (spread: number): number => 1 + spread * (2 * random.next() - 1);
  return adjustPicture(pixels, { brightness: factor(brightness), contrast: factor(contrast) });
};

/** Crop, flip and jitter in that order, as asked. Each part draws from its own fork, so leaving one out moves no other. */
export const augmentPicture = (pixels: Uint8Array, options: AugmentOptions): Uint8Array => {
  const { height, width, channels, random, crop, flip, jitter } = options;
  const size = { height, width, channels };
  checkPicture('augmentPicture', pixels, size);
  // The draw moves the caller's stream, so that the next picture gets other forks.
  const key = random.uint32();
  const own = (label: string): Random => random.fork(key).fork(label);
  let result = pixels;
  if (crop) result = randomCrop(result, { ...size, ...crop, random: own('crop') });
  if (flip) result = randomFlip(result, { ...size, ...flip, random: own('flip') });
  if (jitter) result = colourJitter(result, { ...size, ...jitter, random: own('jitter') });
  return result === pixels ? Uint8Array.from(pixels) : result;
};
