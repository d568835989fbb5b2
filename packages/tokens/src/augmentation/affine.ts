/**
 * Random changes of a training image: zoom, turn, stretch and shift in one bilinear resampling, mirror, brightness and
 * contrast. Pixels outside the image repeat its border.
 *
 * H rows · W columns · C channels; pixels are HWC, 0 to 255.
 */
import { ConfigError, type Random } from '@polygate/core';
import { z } from 'zod';
import type { ImageAugmentation } from './augmentation.ts';
import { requirePixels, type PixelShape } from './pixel-image.ts';

export interface AffineSettings {
  /** Probability of mirroring left and right. @default 0 */
  readonly flip?: number | undefined;
  /** Largest shift as a share of the side, each way. @default 0 */
  readonly shift?: number | undefined;
  /** Largest relative zoom each way, drawn on a log scale: 0.25 means a factor from 0.8 to 1.25. @default 0 */
  readonly zoom?: number | undefined;
  /** Largest turn each way, in degrees. @default 0 */
  readonly turn?: number | undefined;
  /** Largest relative change of brightness and, drawn apart, of contrast. @default 0 */
  readonly tone?: number | undefined;
}

const limits: Readonly<Record<keyof AffineSettings, number>> = {
  flip: 1,
  shift: 1,
  zoom: 4,
  turn: 180,
  tone: 1,
};

/** @throws ConfigError for a value outside its range */
export const checkAugmentation = (augmentation: AffineSettings): void => {
  for (const [name, limit] of Object.entries(limits)) {
    const value = augmentation[name as keyof AffineSettings] ?? 0;
    if (!(value >= 0 && value <= limit)) {
      throw new ConfigError(`augmentation: expected ${name} from 0 to ${limit}, got ${value}`);
    }
  }
};

/**
 * A changed copy of one image; the input is borrowed. Seven draws are taken whatever the settings, so that switching
 * one off leaves the others as they were.
 * @param pixels uint8 [H, W, C]
 * @throws ShapeError for another number of bytes
 */
export const augmentPixels = (
  pixels: Uint8Array,
  shape: PixelShape,
  options: AffineSettings & { readonly random: Random },
): Uint8Array => {
  const { height, width, channels } = shape;
  requirePixels('augmentPixels', pixels, shape);
  const { random, flip = 0, shift = 0, zoom = 0, turn = 0, tone = 0 } = options;
  const symmetric = (): number => 2 * random.next() - 1;
  const mirrored = random.next() < flip ? -1 : 1;
  const moveX = symmetric() * shift * width;
  const moveY = symmetric() * shift * height;
  const scale = Math.exp(symmetric() * Math.log1p(zoom));
  const angle = (symmetric() * turn * Math.PI) / 180;
  const brightness = 255 * 0.5 * symmetric() * tone;
  const contrast = 1 + symmetric() * tone;

  const centreX = (width - 1) / 2;
  const centreY = (height - 1) / 2;
  const cosine = Math.cos(angle) / scale;
  const sine = Math.sin(angle) / scale;
  const clamp = (value: number, most: number): number => (value < 0 ? 0 : value > most ? most : value);
  const out = new Uint8Array(pixels.length);
  let at = 0;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      // Where the output pixel comes from: the inverse of mirror, zoom, turn and shift about the centre.
      const dx = x - centreX - moveX;
      const dy = y - centreY - moveY;
      const fromX = clamp(mirrored * (cosine * dx + sine * dy) + centreX, width - 1);
      const fromY = clamp(cosine * dy - sine * dx + centreY, height - 1);
      const left = Math.floor(fromX);
      const top = Math.floor(fromY);
      const u = fromX - left;
      const v = fromY - top;
      // The four pixels around; in the last row and column the second one is the first again.
      const topLeft = (top * width + left) * channels;
      const right = left + 1 < width ? channels : 0;
      const down = top + 1 < height ? width * channels : 0;
      for (let c = topLeft; c < topLeft + channels; c += 1) {
        const upper = (pixels[c] as number) * (1 - u) + (pixels[c + right] as number) * u;
        const lower = (pixels[c + down] as number) * (1 - u) + (pixels[c + down + right] as number) * u;
        const value = upper * (1 - v) + lower * v;
        out[at] = Math.round(clamp((value - 127.5) * contrast + 127.5 + brightness, 255));
        at += 1;
      }
    }
  }
  return out;
};

const share = z.number().min(0).max(1).default(0);

/** Settings of a recipe; also what a recipe may write in place of a list of steps. */
export const affineFields = {
  /** Probability of mirroring left and right. */
  flip: share,
  /** Largest shift as a share of the side. */
  shift: share,
  /** Largest relative zoom each way, on a log scale. */
  zoom: z.number().min(0).max(limits.zoom).default(0),
  /** Largest turn each way, degrees. */
  turn: z.number().min(0).max(limits.turn).default(0),
  /** Largest relative change of brightness and of contrast. */
  tone: share,
};

/** Draws anew for every frame from the stream's beginning, so that those of a clip are changed alike. */
export const affine: ImageAugmentation<typeof affineFields> = Object.freeze({
  name: 'affine',
  summary: 'mirror, shift, zoom and turn in one resampling, brightness and contrast',
  settings: affineFields,
  draw: (settings, { shape, begin }) => {
    checkAugmentation(settings);
    return (pixels) => augmentPixels(pixels, shape, { ...settings, random: begin() });
  },
} satisfies ImageAugmentation<typeof affineFields>);
