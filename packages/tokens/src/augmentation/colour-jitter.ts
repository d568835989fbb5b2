/** Brightness, contrast, saturation and hue, each by a factor, in random order: torchvision's `ColorJitter`. */
import { z } from 'zod';
import type { ImageAugmentation, PixelChange } from './augmentation.ts';
import { requireTones, withBrightness, withContrast, withHue, withSaturation } from './tones.ts';

/** Factors from `1 - range` (at least 0) to `1 + range`. */
const range = z.number().min(0).max(10).default(0);

const settings = {
  brightness: range,
  contrast: range,
  saturation: range,
  /** Part of the circle of hues, each way. */
  hue: z.number().min(0).max(0.5).default(0),
};

export const colourJitter: ImageAugmentation<typeof settings> = Object.freeze({
  name: 'colour-jitter',
  summary: 'brightness, contrast, saturation and hue by random factors, in random order',
  settings,
  draw: ({ hue, ...ranges }, { shape, begin }) => {
    requireTones(shape);
    const random = begin();
    const factor = (width: number): number => {
      const least = Math.max(0, 1 - width);
      return least + random.next() * (1 + width - least);
    };
    const [brightness, contrast, saturation] = [ranges.brightness, ranges.contrast, ranges.saturation].map(
      factor,
    );
    const turn = hue * (2 * random.next() - 1);
    const order = [0, 1, 2, 3];
    for (let i = order.length - 1; i > 0; i -= 1) {
      const other = random.integer(i + 1);
      [order[i], order[other]] = [order[other] as number, order[i] as number];
    }
    const changes: readonly (PixelChange | undefined)[] = [
      ranges.brightness > 0 ? (pixels) => withBrightness(pixels, brightness ?? 1) : undefined,
      ranges.contrast > 0 ? (pixels) => withContrast(pixels, contrast ?? 1) : undefined,
      ranges.saturation > 0 ? (pixels) => withSaturation(pixels, saturation ?? 1) : undefined,
      hue > 0 ? (pixels) => withHue(pixels, turn) : undefined,
    ];
    const wanted = order.flatMap((which) => changes[which] ?? []);
    return (pixels) => wanted.reduce((image, change) => change(image), pixels);
  },
} satisfies ImageAugmentation<typeof settings>);
