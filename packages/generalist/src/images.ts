/** Images from files and bytes as the patches of a model. */
import { FormatError, ShapeError, silentLogger, StateError, type Logger } from '@polygate/core';
import { decodeImage, type ImageContent } from '@polygate/datasets';
import type { ResolvedImageInput } from '@polygate/modalities';
import type { ModelImage } from './models/model-config.ts';

export interface ReadImageOptions extends Pick<ModelImage, 'fit' | 'background'> {
  /** Gets a line where a file holds several images, of which the first is used. */
  readonly logger?: Logger;
  /** What error texts call an image that has no path. @default 'in memory' */
  readonly name?: string;
}

/** An image as it comes: the path of a file, the bytes of one, or pixels, row-major. */
export type ImageSource =
  | string
  | Uint8Array
  | {
      readonly pixels: Uint8Array;
      readonly height: number;
      readonly width: number;
      readonly channels: 1 | 3 | 4;
    };

const contentOf = (source: ImageSource): ImageContent => {
  if (typeof source === 'string') return { kind: 'path', path: source };
  if (source instanceof Uint8Array) return { kind: 'bytes', bytes: source };
  return { kind: 'pixels', ...source };
};

/**
 * Decodes an image to the size that a model reads, as its suite was prepared: `fit` and `background` are those of the
 * model's `config.image`.
 * @param source the path of a file, its bytes, or pixels
 * @returns [height * width * 3] uint8
 * @throws StateError for a missing or unreadable file, FormatError for one that is no image
 */
export const readImage = async (
  source: ImageSource,
  image: ResolvedImageInput,
  options: ReadImageOptions = {},
): Promise<Uint8Array> => {
  const { fit, background, logger = silentLogger } = options;
  const path = typeof source === 'string' ? source : (options.name ?? 'in memory');
  if (image.height !== image.width || image.channels !== 3) {
    throw new ShapeError(
      `image ${path}: expected a model of square RGB images, got ${image.height} x ${image.width} x ${image.channels}; decode the image yourself`,
    );
  }
  const decoded = await decodeImage(path, contentOf(source), {
    size: image.height,
    ...(fit === undefined ? {} : { fit }),
    ...(background === undefined ? {} : { background }),
  });
  if (decoded.kind === 'image') {
    if (decoded.frames !== undefined) {
      logger.warn(`${path}: the first of ${decoded.frames} frames is used; an image is one still`);
    }
    return decoded.pixels;
  }
  const unreadable = decoded.code === 'missing-file' || decoded.code === 'unreadable-file';
  const text = `image ${path}: ${decoded.reason}; give a PNG, JPEG, WebP, GIF, AVIF, TIFF or SVG file`;
  const details = { code: decoded.code, fields: { path } };
  throw unreadable ? new StateError(text, details) : new FormatError(text, details);
};
