/** Pictures from files and bytes as the patches of a model. */
import { FormatError, ShapeError, silentLogger, StateError, type Logger } from '@polygate/core';
import { decodeImage, type ImageContent } from '@polygate/datasets';
import { shrinkPictures, type PictureSet } from '@polygate/evaluation';
import type { ImagePatches, ResolvedImageInput } from '@polygate/modalities';
import { patchifyBatch } from '@polygate/tokens';
import type { ModelImage } from './models/model-config.ts';

export interface ReadPictureOptions extends Pick<ModelImage, 'fit' | 'background'> {
  /** Gets a line where a file holds several pictures, of which the first is used. */
  readonly logger?: Logger;
  /** What error texts call a picture that has no path. @default 'in memory' */
  readonly name?: string;
}

/** A picture as it comes: the path of a file, the bytes of one, or pixels, row-major. */
export type PictureSource =
  | string
  | Uint8Array
  | {
      readonly pixels: Uint8Array;
      readonly height: number;
      readonly width: number;
      readonly channels: 1 | 3 | 4;
    };

const contentOf = (source: PictureSource): ImageContent => {
  if (typeof source === 'string') return { kind: 'path', path: source };
  if (source instanceof Uint8Array) return { kind: 'bytes', bytes: source };
  return { kind: 'pixels', ...source };
};

/**
 * Decodes a picture to the size that a model reads, as its suite was prepared: `fit` and `background` are those of the
 * model's `config.image`.
 * @param source the path of a file, its bytes, or pixels
 * @returns [height * width * 3] uint8
 * @throws StateError for a missing or unreadable file, FormatError for one that is no picture
 */
export const readPicture = async (
  source: PictureSource,
  image: ResolvedImageInput,
  options: ReadPictureOptions = {},
): Promise<Uint8Array> => {
  const { fit, background, logger = silentLogger } = options;
  const path = typeof source === 'string' ? source : (options.name ?? 'in memory');
  if (image.height !== image.width || image.channels !== 3) {
    throw new ShapeError(
      `picture ${path}: expected a model of square RGB pictures, got ${image.height} x ${image.width} x ${image.channels}; decode the picture yourself`,
    );
  }
  const decoded = await decodeImage(path, contentOf(source), {
    size: image.height,
    ...(fit === undefined ? {} : { fit }),
    ...(background === undefined ? {} : { background }),
  });
  if (decoded.kind === 'image') {
    if (decoded.frames !== undefined) {
      logger.warn(`${path}: the first of ${decoded.frames} frames is used; a picture is one still`);
    }
    return decoded.pixels;
  }
  const unreadable = decoded.code === 'missing-file' || decoded.code === 'unreadable-file';
  const text = `picture ${path}: ${decoded.reason}; give a PNG, JPEG, WebP, GIF, AVIF, TIFF or SVG file`;
  const details = { code: decoded.code, fields: { path } };
  throw unreadable ? new StateError(text, details) : new FormatError(text, details);
};

/** Patches of decoded pictures. @throws ShapeError for pixels of another size */
export const patchesOf = (pictures: readonly Uint8Array[], image: ResolvedImageInput): ImagePatches => {
  const pixels = new Uint8Array(pictures.length * image.pixels);
  pictures.forEach((picture, i) => {
    if (picture.length !== image.pixels) {
      throw new ShapeError(
        `pictures: expected ${image.height} x ${image.width} x ${image.channels} = ${image.pixels} values each, got ${picture.length} in picture ${i}; resize it first`,
      );
    }
    pixels.set(picture, i * image.pixels);
  });
  return {
    size: pictures.length,
    patches: patchifyBatch(pixels, { ...image, count: pictures.length }),
    patchCount: image.patchCount,
    patchWidth: image.patchWidth,
    grid: { rows: image.height / image.patch, columns: image.width / image.patch, frames: 1 },
  };
};

/** Rows of patches, copied; a row may come more than once. */
export const takePatches = (images: ImagePatches, rows: readonly number[]): ImagePatches => {
  const width = images.patchCount * images.patchWidth;
  const patches = new Float32Array(rows.length * width);
  rows.forEach((row, i) => patches.set(images.patches.subarray(row * width, (row + 1) * width), i * width));
  return { ...images, size: rows.length, patches };
};

/** Runs over rows in pieces: [start, end) pairs. */
export const pieces = (size: number, piece: number): readonly (readonly [number, number])[] =>
  Array.from({ length: Math.ceil(size / piece) }, (_, i) => [i * piece, Math.min(size, (i + 1) * piece)]);

/** Whole numbers from start to end, end left out. */
export const range = (start: number, end: number): number[] =>
  Array.from({ length: Math.max(0, end - start) }, (_, i) => start + i);

/** Side to which pictures are shrunk before pixels are compared, as in the baselines of prepared suites. */
const NEIGHBOUR_SIDE = 16;

/** Pictures of a model's size, one after another, shrunk for comparison pixel by pixel. */
export const shrunkPictures = (pixels: Uint8Array, image: ResolvedImageInput): PictureSet =>
  shrinkPictures(
    { pixels, height: image.height, width: image.width, channels: image.channels },
    NEIGHBOUR_SIDE,
  );
