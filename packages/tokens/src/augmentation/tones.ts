/**
 * Brightness, contrast, colour and sharpness as Pillow's `ImageEnhance` has them, and its `ImageOps`: pixels between a dull
 * copy of the image (factor 0) and the image itself (factor 1), or beyond it.
 *
 * Images of 3 channels; every function gives a copy.
 */
import { requireColours, type PixelShape } from './pixel-image.ts';

/** Pillow's grey of a pixel: the luma of ITU-R 601 in 16 bits. */
const greyAt = (pixels: Uint8Array, at: number): number =>
  ((pixels[at] as number) * 19595 +
    (pixels[at + 1] as number) * 38470 +
    (pixels[at + 2] as number) * 7471 +
    0x8000) >>
  16;

const blended = (dull: number, value: number, factor: number): number => {
  const mixed = dull + factor * (value - dull);
  return mixed <= 0 ? 0 : mixed >= 255 ? 255 : Math.trunc(mixed);
};

/** Factor 0 is black. */
export const withBrightness = (pixels: Uint8Array, factor: number): Uint8Array =>
  pixels.map((value) => blended(0, value, factor));

/** Factor 0 is the mean grey of the image. @param pixels of 3 channels */
export const withContrast = (pixels: Uint8Array, factor: number): Uint8Array => {
  let sum = 0;
  for (let at = 0; at < pixels.length; at += 3) sum += greyAt(pixels, at);
  const mean = Math.trunc(sum / (pixels.length / 3) + 0.5);
  return pixels.map((value) => blended(mean, value, factor));
};

/** Factor 0 is grey. @param pixels of 3 channels */
export const withSaturation = (pixels: Uint8Array, factor: number): Uint8Array =>
  pixels.map((value, at) => blended(greyAt(pixels, at - (at % 3)), value, factor));

/** Factor 0 is smoothed by the 3 x 3 kernel of ones with 5 in the middle; the border stays. */
export const withSharpness = (pixels: Uint8Array, shape: PixelShape, factor: number): Uint8Array => {
  const { height, width, channels } = shape;
  const stride = width * channels;
  const out = Uint8Array.from(pixels, (value) => blended(value, value, factor));
  for (let y = 1; y < height - 1; y += 1) {
    for (let at = y * stride + channels; at < (y + 1) * stride - channels; at += 1) {
      let sum = 4 * (pixels[at] as number);
      for (let line = -1; line <= 1; line += 1) {
        const middle = at + line * stride;
        sum +=
          (pixels[middle - channels] as number) +
          (pixels[middle] as number) +
          (pixels[middle + channels] as number);
      }
      out[at] = blended(Math.trunc(sum / 13 + 0.5), pixels[at] as number, factor);
    }
  }
  return out;
};

/** Pillow's hue, saturation and value of a colour, 0 to 255 each. */
const toHsv = (r: number, g: number, b: number): readonly [number, number, number] => {
  const most = Math.max(r, g, b);
  const range = most - Math.min(r, g, b);
  if (range === 0) return [0, 0, most];
  // In single precision, as Pillow computes: a hue that is truncated hangs on the last bit.
  const { fround } = Math;
  const [rc, gc, bc] = [fround((most - r) / range), fround((most - g) / range), fround((most - b) / range)];
  const turn = fround(r === most ? fround(bc - gc) : g === most ? 2 + rc - bc : 4 + gc - rc);
  const hue = fround((turn / 6 + 1) % 1);
  return [Math.trunc(hue * 255), Math.trunc(fround(range / most) * 255), most];
};

const toRgb = (h: number, s: number, value: number): readonly [number, number, number] => {
  if (s === 0) return [value, value, value];
  const sector = Math.floor((h * 6) / 255);
  const rest = (h * 6) / 255 - sector;
  const share = s / 255;
  const round = (part: number): number => Math.min(255, Math.max(0, Math.round(value * part)));
  const [p, q, t] = [round(1 - share), round(1 - share * rest), round(1 - share * (1 - rest))];
  const sectors = [
    [value, t, p],
    [q, value, p],
    [p, value, t],
    [p, q, value],
    [t, p, value],
    [value, p, q],
  ] as const;
  return sectors[sector % 6] ?? [value, value, value];
};

/** Turns hues by a part of the circle, -0.5 to 0.5, in 8 bits as torchvision does. @param pixels of 3 channels */
export const withHue = (pixels: Uint8Array, factor: number): Uint8Array => {
  const out = new Uint8Array(pixels.length);
  const turn = Math.trunc(factor * 255);
  for (let at = 0; at < pixels.length; at += 3) {
    const [h, s, v] = toHsv(pixels[at] as number, pixels[at + 1] as number, pixels[at + 2] as number);
    out.set(toRgb((h + turn + 256) % 256, s, v), at);
  }
  return out;
};

/** Values of each channel by a table of 256 for each. */
const mapped = (pixels: Uint8Array, channels: number, tables: readonly Uint8Array[]): Uint8Array =>
  pixels.map((value, at) => (tables[at % channels] as Uint8Array)[value] as number);

const tablesOf = (
  pixels: Uint8Array,
  channels: number,
  make: (histogram: Float64Array) => (value: number) => number,
): readonly Uint8Array[] =>
  Array.from({ length: channels }, (_, channel) => {
    const histogram = new Float64Array(256);
    for (let at = channel; at < pixels.length; at += channels) {
      const value = pixels[at] as number;
      histogram[value] = (histogram[value] ?? 0) + 1;
    }
    const tone = make(histogram);
    return Uint8Array.from({ length: 256 }, (__, value) =>
      Math.min(255, Math.max(0, Math.trunc(tone(value)))),
    );
  });

/** Stretches each channel over the whole range. */
export const autoContrast = (pixels: Uint8Array, { channels }: PixelShape): Uint8Array =>
  mapped(
    pixels,
    channels,
    tablesOf(pixels, channels, (histogram) => {
      const low = histogram.findIndex((count) => count > 0);
      const high = histogram.findLastIndex((count) => count > 0);
      if (high <= low) return (value) => value;
      const scale = 255 / (high - low);
      return (value) => value * scale - low * scale;
    }),
  );

/** Spreads the values of each channel evenly. */
export const equalize = (pixels: Uint8Array, { channels }: PixelShape): Uint8Array =>
  mapped(
    pixels,
    channels,
    tablesOf(pixels, channels, (histogram) => {
      const counts = histogram.filter((count) => count > 0);
      const sum = counts.reduce((total, count) => total + count, 0);
      const step = Math.floor((sum - (counts.at(-1) ?? 0)) / 255);
      if (counts.length <= 1 || step === 0) return (value) => value;
      const before = new Float64Array(256);
      for (let value = 1; value < 256; value += 1)
        before[value] = (before[value - 1] ?? 0) + (histogram[value - 1] ?? 0);
      return (value) => Math.floor((Math.floor(step / 2) + (before[value] ?? 0)) / step);
    }),
  );

export const invert = (pixels: Uint8Array): Uint8Array => pixels.map((value) => 255 - value);

/** Keeps the highest bits of each value; 8 or more keep all. */
export const posterize = (pixels: Uint8Array, bits: number): Uint8Array => {
  const mask = bits >= 8 ? 255 : 255 & ~(2 ** (8 - bits) - 1);
  return pixels.map((value) => value & mask);
};

/** Inverts values from a threshold on. */
export const solarize = (pixels: Uint8Array, threshold: number): Uint8Array =>
  pixels.map((value) => (value < threshold ? value : 255 - value));

/** Adds to the values below 128. */
export const solarizeAdd = (pixels: Uint8Array, amount: number): Uint8Array =>
  pixels.map((value) => (value < 128 ? Math.min(255, value + amount) : value));

/** @throws ShapeError for images that are not red, green and blue */
export const requireTones = (shape: PixelShape): void => requireColours('augmentation', shape);
