/**
 * Mixup (Zhang and others, 2018) and CutMix (Yun and others, 2019) as timm's `Mixup` has them: one or the other for a whole
 * batch, with a share from a beta distribution; labels are mixed by the share.
 *
 * Departs from timm in who is mixed with whom: rows 2i and 2i + 1 with each other, not the first with the last, so that parts
 * of a batch that have an even number of rows each (of several ranks, or accumulated) are mixed as the whole is. A last row
 * without another stays as it is.
 */
import type { Random } from '@polygate/core';
import { z } from 'zod';
import type { BatchAugmentation, BatchDraw, DrawnMixing } from './augmentation.ts';
import { sizeOf } from './pixel-image.ts';
import type { CropBox } from './resize.ts';

const settings = {
  /** Both parameters of mixup's beta distribution; 0 leaves mixup out. */
  mixup: z.number().min(0).max(100).default(0.8),
  /** The same of CutMix. */
  cutmix: z.number().min(0).max(100).default(1),
  /** That a batch is mixed. */
  probability: z.number().min(0).max(1).default(1),
  /** That CutMix mixes it, where there are both. */
  switch: z.number().min(0).max(1).default(0.5),
};

/** Marsaglia and Tsang (2000); below 1 by the power of a uniform draw. */
const gamma = (random: Random, shape: number): number => {
  if (shape < 1) return gamma(random, shape + 1) * random.next() ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.next()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
};

const symmetricBeta = (random: Random, parameter: number): number => {
  const a = gamma(random, parameter);
  const b = gamma(random, parameter);
  return a + b > 0 ? a / (a + b) : 0.5;
};

const partnersOf = (size: number): Int32Array =>
  Int32Array.from({ length: size }, (_, row) => {
    const other = row % 2 === 0 ? row + 1 : row - 1;
    return other < size ? other : row;
  });

/** Values of each row, and those of its partner, as `join` says. */
const joined = (
  pixels: Uint8Array,
  { size, partners }: { readonly size: number; readonly partners: Int32Array },
  join: (value: number, other: number, at: number) => number,
): Uint8Array => {
  const width = pixels.length / size;
  const out = new Uint8Array(pixels.length);
  for (let row = 0; row < size; row += 1) {
    const other = (partners[row] ?? row) * width;
    for (let i = 0; i < width; i += 1) {
      const at = row * width + i;
      out[at] = join(pixels[at] as number, pixels[other + i] as number, i);
    }
  }
  return out;
};

/** A batch with rows laid over their partners. @param share what is left of each row */
export const mixedUp = (
  pixels: Uint8Array,
  rows: { readonly size: number; readonly partners: Int32Array },
  share: number,
): Uint8Array => joined(pixels, rows, (value, other) => Math.round(share * value + (1 - share) * other));

/** A batch with a box of each frame from the row's partner. */
export const cutMixed = (
  pixels: Uint8Array,
  draw: Pick<BatchDraw, 'size' | 'shape'> & { readonly partners: Int32Array },
  box: CropBox,
): Uint8Array => {
  const { width, channels } = draw.shape;
  const area = sizeOf(draw.shape);
  return joined(pixels, draw, (value, other, i) => {
    const pixel = Math.floor((i % area) / channels);
    const y = Math.floor(pixel / width) - box.top;
    const x = (pixel % width) - box.left;
    return y >= 0 && y < box.height && x >= 0 && x < box.width ? other : value;
  });
};

/** The box of a share about a middle, as far as it lies in the image. @param centre from 0 to the sides */
export const cutBox = (
  { height, width }: BatchDraw['shape'],
  share: number,
  centre: { readonly x: number; readonly y: number },
): CropBox => {
  const ratio = Math.sqrt(1 - share);
  const down = Math.trunc(height * ratio);
  const across = Math.trunc(width * ratio);
  const clip = (value: number, most: number): number => Math.min(most, Math.max(0, value));
  const top = clip(centre.y - Math.floor(down / 2), height);
  const left = clip(centre.x - Math.floor(across / 2), width);
  const bottom = clip(centre.y + Math.floor((down + 1) / 2), height);
  const right = clip(centre.x + Math.floor((across + 1) / 2), width);
  return { top, left, height: bottom - top, width: right - left };
};

const sharesOf = (partners: Int32Array, share: number): Float32Array =>
  Float32Array.from(partners, (partner, row) => (partner === row ? 1 : share));

export const mix: BatchAugmentation<typeof settings> = Object.freeze({
  name: 'mix',
  summary: 'pairs of rows mixed (mixup) or pieced together (CutMix), with their labels',
  settings,
  mix: (
    { mixup, cutmix, probability, switch: towardsCut },
    { size, shape, random },
  ): DrawnMixing | undefined => {
    if (size < 2 || (mixup === 0 && cutmix === 0) || !(random.next() < probability)) return undefined;
    const isCut = random.next() < (mixup === 0 ? 1 : cutmix === 0 ? 0 : towardsCut);
    const share = symmetricBeta(random, isCut ? cutmix : mixup);
    const partners = partnersOf(size);
    if (!isCut) {
      return {
        partners,
        shares: sharesOf(partners, share),
        apply: (pixels) => mixedUp(pixels, { size, partners }, share),
      };
    }
    const centre = { y: random.integer(shape.height), x: random.integer(shape.width) };
    const box = cutBox(shape, share, centre);
    // What is left of each row is what the box, cut off at the border, leaves.
    const left = 1 - (box.height * box.width) / (shape.height * shape.width);
    return {
      partners,
      shares: sharesOf(partners, left),
      apply: (pixels) => cutMixed(pixels, { size, shape, partners }, box),
    };
  },
} satisfies BatchAugmentation<typeof settings>);
