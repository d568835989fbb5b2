/** A box of random area and shape, resized to the whole image: torchvision's `RandomResizedCrop`, bicubic. */
import type { Random } from '@polygate/core';
import { z } from 'zod';
import type { ImageAugmentation } from './augmentation.ts';
import { ascending } from './ranges.ts';
import type { PixelShape } from './pixel-image.ts';
import { resizedCrop, type CropBox } from './resize.ts';

const settings = {
  /** Area of the box as a share of the image, from and to. */
  scale: ascending(z.number().positive().max(1)).default([0.08, 1]),
  /** Width by height of the box, from and to. */
  ratio: ascending(z.number().positive().max(100)).default([3 / 4, 4 / 3]),
};

/** Boxes that are tried before the middle is taken. */
const TRIES = 10;

/** The largest box in the middle whose shape is allowed. */
const middle = ({ height, width }: PixelShape, [least, most]: readonly [number, number]): CropBox => {
  const ratio = width / height;
  const across = ratio > most ? Math.round(height * most) : width;
  const down = ratio < least ? Math.round(width / least) : height;
  return {
    top: Math.floor((height - down) / 2),
    left: Math.floor((width - across) / 2),
    height: down,
    width: across,
  };
};

const drawBox = (
  shape: PixelShape,
  random: Random,
  { scale, ratio }: { readonly scale: readonly [number, number]; readonly ratio: readonly [number, number] },
): CropBox => {
  const { height, width } = shape;
  const between = (from: number, to: number): number => from + random.next() * (to - from);
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const area = height * width * between(...scale);
    const form = Math.exp(between(Math.log(ratio[0]), Math.log(ratio[1])));
    const across = Math.round(Math.sqrt(area * form));
    const down = Math.round(Math.sqrt(area / form));
    if (across < 1 || down < 1 || across > width || down > height) continue;
    const top = random.integer(height - down + 1);
    const left = random.integer(width - across + 1);
    return { top, left, height: down, width: across };
  }
  return middle(shape, ratio);
};

export const randomResizedCrop: ImageAugmentation<typeof settings> = Object.freeze({
  name: 'random-resized-crop',
  summary: 'a box of random area and shape, resized to the image (bicubic)',
  settings,
  draw: (given, { shape, begin }) => {
    const box = drawBox(shape, begin(), given);
    return (pixels) => resizedCrop(pixels, shape, { box, to: shape });
  },
} satisfies ImageAugmentation<typeof settings>);
