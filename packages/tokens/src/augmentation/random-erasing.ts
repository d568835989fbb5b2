/**
 * Random erasing (Zhong and others, 2020) as timm's, mode `pixel`: a box of noise, normal about ImageNet's mean with its
 * deviation. Departs from it where noise is beyond black or white: pixels end there.
 */
import { z } from 'zod';
import type { ImageAugmentation } from './augmentation.ts';
import { toByte, type PixelShape } from './pixel-image.ts';
import { ascending } from './ranges.ts';
import type { CropBox } from './resize.ts';

/** ImageNet's, on values from 0 to 1. */
const MEAN = [0.485, 0.456, 0.406] as const;
const DEVIATION = [0.229, 0.224, 0.225] as const;
/** Boxes that are tried. */
const TRIES = 10;

const settings = {
  probability: z.number().min(0).max(1).default(0.25),
  /** Area of the box as a share of the image, from and to. */
  area: ascending(z.number().min(0).max(1)).default([0.02, 1 / 3]),
  /** Height by width of the box, from this to one by this. */
  ratio: z.number().positive().max(1).default(0.3),
};

/** Pixels with a box of noise. @param normal of mean 0 and deviation 1 */
const erased = (
  pixels: Uint8Array,
  { width, channels }: PixelShape,
  { box, normal }: { readonly box: CropBox; readonly normal: () => number },
): Uint8Array => {
  const out = Uint8Array.from(pixels);
  for (let y = box.top; y < box.top + box.height; y += 1) {
    for (
      let at = (y * width + box.left) * channels;
      at < (y * width + box.left + box.width) * channels;
      at += 1
    ) {
      const channel = at % channels;
      out[at] = toByte(255 * ((MEAN[channel] ?? 0.5) + (DEVIATION[channel] ?? 0.25) * normal()));
    }
  }
  return out;
};

export const randomErasing: ImageAugmentation<typeof settings> = Object.freeze({
  name: 'random-erasing',
  summary: 'a box of noise',
  settings,
  draw: ({ probability, area, ratio }, { shape, begin }) => {
    const random = begin();
    if (!(random.next() < probability)) return undefined;
    const { height, width } = shape;
    const logRatio = Math.log(ratio);
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const size = height * width * (area[0] + random.next() * (area[1] - area[0]));
      const form = Math.exp(logRatio * (2 * random.next() - 1));
      const down = Math.round(Math.sqrt(size * form));
      const across = Math.round(Math.sqrt(size / form));
      if (down >= height || across >= width) continue;
      const box = {
        top: random.integer(height - down + 1),
        left: random.integer(width - across + 1),
        height: down,
        width: across,
      };
      return (pixels) => {
        // Begun anew for every frame: the noise of a clip stands still.
        const stream = begin().fork('noise');
        return erased(pixels, shape, { box, normal: () => stream.normal() });
      };
    }
    return undefined;
  },
} satisfies ImageAugmentation<typeof settings>);
