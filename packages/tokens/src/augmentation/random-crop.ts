/**
 * A random square of the enlarged image: resized by a factor, bicubic, then cropped to the image's size. Prepared images are
 * squares, so what a random crop of the longer side shifts has to come from the factor.
 */
import { z } from 'zod';
import type { ImageAugmentation } from './augmentation.ts';
import { ascending } from './ranges.ts';
import { resizedCrop } from './resize.ts';

const settings = {
  /** Side of the enlarged image by that of the image, from and to. */
  resize: ascending(z.number().min(1).max(8)).default([256 / 224, 256 / 224]),
};

export const randomCrop: ImageAugmentation<typeof settings> = Object.freeze({
  name: 'random-crop',
  summary: 'the image enlarged, and a random part of its own size cut out',
  settings,
  draw: ({ resize: [from, to] }, { shape, begin }) => {
    const random = begin();
    const factor = from + random.next() * (to - from);
    const large = {
      ...shape,
      height: Math.round(shape.height * factor),
      width: Math.round(shape.width * factor),
    };
    const top = random.integer(large.height - shape.height + 1);
    const left = random.integer(large.width - shape.width + 1);
    const whole = { top: 0, left: 0, height: shape.height, width: shape.width };
    return (pixels) => {
      const enlarged = resizedCrop(pixels, shape, { box: whole, to: large });
      const box = { top, left, height: shape.height, width: shape.width };
      return resizedCrop(enlarged, large, { box, to: shape });
    };
  },
} satisfies ImageAugmentation<typeof settings>);
