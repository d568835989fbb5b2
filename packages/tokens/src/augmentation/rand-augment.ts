/**
 * RandAugment (Cubuk and others, 2020) as timm's `rand-m9-mstd0.5-inc1`: some operations drawn with replacement, each done
 * with probability one half at a magnitude that is drawn about the middle.
 */
import { z } from 'zod';
import type { ImageAugmentation, PixelChange } from './augmentation.ts';
import { operations, TOP } from './rand-augment-operations.ts';
import { requireTones } from './tones.ts';

const settings = {
  /** 0 to 10. */
  magnitude: z.number().min(0).max(TOP).default(9),
  /** Standard deviation of the magnitude. */
  deviation: z.number().min(0).max(TOP).default(0.5),
  /** Operations that are drawn. */
  layers: z.number().int().min(1).max(16).default(2),
  /** That an operation is done. */
  probability: z.number().min(0).max(1).default(0.5),
  /** Colour where nothing comes from. @default ImageNet's mean */
  fill: z.tuple([z.number(), z.number(), z.number()]).default([124, 116, 104]),
};

const names = Object.keys(operations);

export const randAugment: ImageAugmentation<typeof settings> = Object.freeze({
  name: 'rand-augment',
  summary: 'random operations at a random magnitude (rand-m9-mstd0.5-inc1)',
  settings,
  draw: ({ magnitude, deviation, layers, probability, fill }, { shape, begin }) => {
    requireTones(shape);
    const random = begin();
    const changes = Array.from({ length: layers }, (_, layer): PixelChange | undefined => {
      const stream = random.fork(layer);
      const operation = operations[names[stream.integer(names.length)] as string];
      const isDone = stream.next() < probability;
      const drawn = Math.min(TOP, Math.max(0, magnitude + deviation * stream.normal()));
      const sign = stream.next() < 0.5 ? 1 : -1;
      if (!isDone || !operation) return undefined;
      return (pixels) => operation(pixels, { shape, magnitude: drawn, sign, fill });
    }).flatMap((change) => change ?? []);
    return changes.length === 0
      ? undefined
      : (pixels) => changes.reduce((image, change) => change(image), pixels);
  },
} satisfies ImageAugmentation<typeof settings>);
