/**
 * Images and video as rows of patches, and back. H height · W width · C channels · p patch side · N patches of an
 * image (H/p * W/p, row by row) · T frames. Inside a patch the order is (y, x, c), the last fastest. A byte v stands
 * for v / 255; each channel is then normalised as (v / 255 - mean) / std. Floats are normalised as they are.
 */
import { ShapeError } from '@polygate/core';

export interface PatchLayout {
  /** Image height in pixels, a multiple of `patch`. */
  readonly height: number;
  /** Image width in pixels, a multiple of `patch`. */
  readonly width: number;
  readonly channels: number;
  /** Side of a square patch in pixels. */
  readonly patch: number;
  /** Mean of each channel, in the scale 0..1. @default 0 */
  readonly mean?: readonly number[];
  /** Standard deviation of each channel, above 0. @default 1 */
  readonly std?: readonly number[];
}

export interface PatchBatchLayout extends PatchLayout {
  /** Images in the batch; frames of video follow each other, so B videos of T frames are B * T images. */
  readonly count: number;
  /** Filled instead of a new array; must have exactly the size of the result. @default a new array */
  readonly out?: Float32Array;
}

/** Values of one image's patches. */
interface PatchPlan {
  readonly rows: number;
  readonly columns: number;
  readonly imageSize: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

const isPositive = (value: number): boolean => Number.isInteger(value) && value > 0;

const perChannel = (
  values: readonly number[] | undefined,
  channels: number,
  fallback: number,
): readonly number[] => {
  if (values !== undefined && values.length !== channels) {
    throw new ShapeError(
      `patches: expected mean and std with one value per channel (${channels}), got ${values.length}`,
    );
  }
  return values ?? Array.from({ length: channels }, () => fallback);
};

const planPatches = (layout: PatchLayout): PatchPlan => {
  const { height, width, channels, patch } = layout;
  if (![height, width, channels, patch].every(isPositive) || height % patch !== 0 || width % patch !== 0) {
    throw new ShapeError(
      `patches: expected height and width that are multiples of the patch side, got ${height}x${width}x${channels} ` +
        `with patch ${patch}; resize or crop the image first`,
      { fields: { height, width, channels, patch } },
    );
  }
  const std = perChannel(layout.std, channels, 1);
  if (!std.every((value) => value > 0)) {
    throw new ShapeError(`patches: expected every std above 0, got [${std.join(', ')}]`);
  }
  return {
    rows: height / patch,
    columns: width / patch,
    imageSize: height * width * channels,
    mean: perChannel(layout.mean, channels, 0),
    std,
  };
};

const checkLength = (name: string, got: number, expected: number): void => {
  if (got === expected) return;
  throw new ShapeError(
    `${name}: expected ${expected} values for this layout, got ${got}; check count, size and channels`,
    {
      fields: { expected, got },
    },
  );
};

/** Calls `visit(pixel, row)` for each row of each patch: where its run of `patch * channels` values starts on both sides. */
const forEachRun = (
  layout: PatchLayout,
  plan: PatchPlan,
  visit: (pixel: number, value: number) => void,
): void => {
  const { width, channels, patch } = layout;
  const run = patch * channels;
  let value = 0;
  for (let row = 0; row < plan.rows; row += 1) {
    for (let column = 0; column < plan.columns; column += 1) {
      for (let y = 0; y < patch; y += 1) {
        visit(((row * patch + y) * width + column * patch) * channels, value);
        value += run;
      }
    }
  }
};

/** Normalised value of each byte by channel, so that the inner loop is one look-up. */
const byteTable = (plan: PatchPlan): Float32Array => {
  const table = new Float32Array(256 * plan.mean.length);
  for (const [channel, mean] of plan.mean.entries()) {
    for (let v = 0; v < 256; v += 1) table[channel * 256 + v] = (v / 255 - mean) / (plan.std[channel] ?? 1);
  }
  return table;
};

/**
 * Patches of `count` images.
 * @param pixels HWC images one after another, uint8 or float32, borrowed
 * @returns float32 [count * N, p * p * C]
 * @throws ShapeError
 */
export const patchifyBatch = (pixels: Uint8Array | Float32Array, layout: PatchBatchLayout): Float32Array => {
  const plan = planPatches(layout);
  const { channels, patch, count } = layout;
  const size = count * plan.imageSize;
  checkLength('patchifyBatch', pixels.length, size);
  const out = layout.out ?? new Float32Array(size);
  checkLength('patchifyBatch, out', out.length, size);
  const run = patch * channels;
  const table = pixels instanceof Uint8Array ? byteTable(plan) : undefined;
  for (let image = 0; image < count; image += 1) {
    const base = image * plan.imageSize;
    forEachRun(layout, plan, (pixel, value) => {
      let channel = 0;
      for (let i = 0; i < run; i += 1) {
        const v = pixels[base + pixel + i] ?? 0;
        out[base + value + i] = table
          ? (table[channel * 256 + v] ?? 0)
          : (v - (plan.mean[channel] ?? 0)) / (plan.std[channel] ?? 1);
        channel = channel + 1 === channels ? 0 : channel + 1;
      }
    });
  }
  return out;
};

/**
 * The images that {@link patchifyBatch} got.
 * @returns float32 HWC images; for images that were bytes, values in 0..1 (see {@link toBytes})
 */
export const unpatchifyBatch = (patches: Float32Array, layout: PatchBatchLayout): Float32Array => {
  const plan = planPatches(layout);
  const { channels, patch, count } = layout;
  const size = count * plan.imageSize;
  checkLength('unpatchifyBatch', patches.length, size);
  const out = layout.out ?? new Float32Array(size);
  checkLength('unpatchifyBatch, out', out.length, size);
  const run = patch * channels;
  for (let image = 0; image < count; image += 1) {
    const base = image * plan.imageSize;
    forEachRun(layout, plan, (pixel, value) => {
      for (let i = 0; i < run; i += 1) {
        const channel = i % channels;
        out[base + pixel + i] =
          (patches[base + value + i] ?? 0) * (plan.std[channel] ?? 1) + (plan.mean[channel] ?? 0);
      }
    });
  }
  return out;
};

/** Patches of one image, float32 [N, p * p * C], row by row. @throws ShapeError */
export const patchify = (pixels: Uint8Array | Float32Array, layout: PatchLayout): Float32Array =>
  patchifyBatch(pixels, { ...layout, count: 1 });

/** The image of its patches, float32 HWC. @throws ShapeError */
export const unpatchify = (patches: Float32Array, layout: PatchLayout): Float32Array =>
  unpatchifyBatch(patches, { ...layout, count: 1 });

/** A video's patches, float32 [T * N, p * p * C], frame by frame. @param pixels THWC */
export const patchifyVideo = (
  pixels: Uint8Array | Float32Array,
  layout: PatchLayout & { readonly frames: number },
): Float32Array => patchifyBatch(pixels, { ...layout, count: layout.frames });

/** The video of its patches, float32 THWC. */
export const unpatchifyVideo = (
  patches: Float32Array,
  layout: PatchLayout & { readonly frames: number },
): Float32Array => unpatchifyBatch(patches, { ...layout, count: layout.frames });

/** Values in 0..1 as bytes: times 255, rounded, clipped. */
export const toBytes = (values: Float32Array): Uint8Array => {
  const clamped = new Uint8ClampedArray(values.length);
  for (let i = 0; i < values.length; i += 1) clamped[i] = Math.round((values[i] ?? 0) * 255);
  return new Uint8Array(clamped.buffer);
};
