import { z } from 'zod';
import type { ImageAugmentation } from './augmentation.ts';
import type { PixelShape } from './pixel-image.ts';

const settings = { probability: z.number().min(0).max(1).default(0.5) };

/** A copy with left and right exchanged. */
const mirrored = (pixels: Uint8Array, { width, channels }: PixelShape): Uint8Array => {
  const out = new Uint8Array(pixels.length);
  const stride = width * channels;
  for (let at = 0; at < pixels.length; at += channels) {
    const column = (at % stride) / channels;
    const to = at - (at % stride) + (width - 1 - column) * channels;
    for (let channel = 0; channel < channels; channel += 1)
      out[to + channel] = pixels[at + channel] as number;
  }
  return out;
};

export const flip: ImageAugmentation<typeof settings> = Object.freeze({
  name: 'flip',
  summary: 'left and right exchanged',
  settings,
  draw: ({ probability }, { shape, begin }) =>
    begin().next() < probability ? (pixels) => mirrored(pixels, shape) : undefined,
} satisfies ImageAugmentation<typeof settings>);
