/** Decoded images as the patches of a model, and what is done with patches. */
import { ShapeError } from '@polygate/core';
import { shrinkImages, type ImageSet } from '@polygate/evaluation';
import { patchifyBatch } from '@polygate/tokens';
import type { ImagePatches, ResolvedImageInput } from '@polygate/modalities';

/** Patches of decoded images. @throws ShapeError for pixels of another size */
export const patchesOf = (images: readonly Uint8Array[], input: ResolvedImageInput): ImagePatches => {
  const pixels = new Uint8Array(images.length * input.pixels);
  images.forEach((image, i) => {
    if (image.length !== input.pixels) {
      throw new ShapeError(
        `images: expected ${input.height} x ${input.width} x ${input.channels} = ${input.pixels} values each, got ${image.length} in image ${i}; resize it first`,
      );
    }
    pixels.set(image, i * input.pixels);
  });
  return {
    size: images.length,
    patches: patchifyBatch(pixels, { ...input, count: images.length }),
    patchCount: input.patchCount,
    patchWidth: input.patchWidth,
    grid: { rows: input.height / input.patch, columns: input.width / input.patch, frames: 1 },
  };
};

/** Rows of patches, copied; a row may come more than once. */
export const takePatches = (images: ImagePatches, rows: readonly number[]): ImagePatches => {
  const width = images.patchCount * images.patchWidth;
  const patches = new Float32Array(rows.length * width);
  rows.forEach((row, i) => patches.set(images.patches.subarray(row * width, (row + 1) * width), i * width));
  return { ...images, size: rows.length, patches };
};

/** Patches of one form, one part after another. @throws ShapeError for none */
export const joinPatches = (parts: readonly ImagePatches[]): ImagePatches => {
  const [first] = parts;
  if (!first) throw new ShapeError('images: expected one or more, got none; give a folder that holds some');
  const patches = new Float32Array(parts.reduce((sum, part) => sum + part.patches.length, 0));
  parts.reduce((at, part) => {
    patches.set(part.patches, at);
    return at + part.patches.length;
  }, 0);
  return { ...first, size: parts.reduce((sum, { size }) => sum + size, 0), patches };
};

/** Runs over rows in pieces: [start, end) pairs. */
export const pieces = (size: number, piece: number): readonly (readonly [number, number])[] =>
  Array.from({ length: Math.ceil(size / piece) }, (_, i) => [i * piece, Math.min(size, (i + 1) * piece)]);

/** Whole numbers from start to end, end left out. */
export const range = (start: number, end: number): number[] =>
  Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i);

/** Side to which images are shrunk before pixels are compared, as in the baselines of prepared suites. */
const NEIGHBOUR_SIDE = 16;

/** Images of a model's size, one after another, shrunk for comparison pixel by pixel. */
export const shrunkImages = (pixels: Uint8Array, image: ResolvedImageInput): ImageSet =>
  shrinkImages(
    { pixels, height: image.height, width: image.width, channels: image.channels },
    NEIGHBOUR_SIDE,
  );
