/**
 * Images of any usual format -> square RGB bytes of the prepared size.
 * Order: turn upright by EXIF, resize (Lanczos; premultiplied alpha), lay on the background, sRGB, 8 bits. A colour
 * profile in the image is followed; inks without one are summed (image-inks.ts). Raw pixels (arrays, frames) become
 * what a file with these pixels becomes.
 */
import { readFile, stat } from 'node:fs/promises';
import sharp, { type OutputInfo, type SharpOptions } from 'sharp';
import { type Budgets, type ByteGate, overBudget, resolveBudgets } from '@polygate/core';
import { measureImage } from './image-budget.ts';
import { describeUndecodable } from './image-fault.ts';
import { frameCount } from './image-frames.ts';
import { isInkOnly, mixInks } from './image-inks.ts';
import { enlargeToSquare, grows } from './pixel-resize.ts';
import { fault, type Fault, type ImageContent } from '../samples/sample.ts';

/** Most pixels of an encoded image, whatever the budget. */
export const MAX_IMAGE_PIXELS = 100_000_000;

export interface DecodeOptions {
  /** Side of the square result in pixels. */
  readonly size: number;
  /** `contain` keeps the whole image and fills the rest with the background; `cover` crops. @default 'contain' */
  readonly fit?: 'contain' | 'cover';
  /** Colour under transparent parts and beside the image, as CSS. @default '#ffffff' */
  readonly background?: string;
  /** `imageBytes` bounds the file, `decodeBytes` what decoding takes by the file's header. @default those of core */
  readonly budgets?: Partial<Budgets>;
  /** Shared by images that are decoded at once. @default each is on its own */
  readonly gate?: ByteGate;
}

/** A decoded image: row-major H·W·3, 8 bits. */
export interface DecodedImage {
  readonly kind: 'image';
  readonly pixels: Uint8Array;
  /** Frames or pages of the file, of which these are the pixels of the first; absent where there is one alone. */
  readonly frames?: number;
}

/**
 * Whether a text is a colour that images can be laid on, as the decoder reads it: of any CSS notation, but opaque,
 * since prepared images have no alpha.
 */
export const isColour = (text: string): boolean => {
  const alpha = /^#(?:...(.)|.{6}(..))$/u.exec(text);
  if (text === 'transparent' || (alpha && !/^f{1,2}$/iu.test(alpha[1] ?? alpha[2] ?? ''))) return false;
  const parts = /^(?:rgb|hsl)a?\((.*)\)$/iu.exec(text)?.[1]?.split(/[\s,/]+/u) ?? [];
  if (parts[3] !== undefined && parts[3] !== '1' && parts[3] !== '100%') return false;
  try {
    sharp({ create: { width: 1, height: 1, channels: 3, background: text } });
    return true;
  } catch {
    return false;
  }
};

/**
 * Settings of the library for resizing an encoded image. It would have a WebP shrink itself by halves on the way, by
 * another filter, so that it showed other pixels than a PNG of the same.
 */
export const resizeSettings = (bytes: Uint8Array): { readonly fastShrinkOnLoad: boolean } => ({
  fastShrinkOnLoad: Buffer.from(bytes.subarray(8, 12)).toString('latin1') !== 'WEBP',
});

const defaultBackground = '#ffffff';

/** Whether an image has no colour and no palette. @throws what the image library throws for no image */
const isGrey = async (bytes: Uint8Array, input: SharpOptions): Promise<boolean> =>
  (await sharp(bytes, input).metadata()).space === 'b-w';

/** Of images that fill their square, where no background is seen. */
const white = [255, 255, 255] as const;

/** Red, green and blue of a CSS colour. @throws what the image library throws for no colour */
const colourOf = async (background: string): Promise<readonly [number, number, number]> => {
  const create = { width: 1, height: 1, channels: 3, background } as const;
  const [red = 0, green = 0, blue = 0] = await sharp({ create }).raw().toBuffer();
  return [red, green, blue];
};

const message = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/\s+/gu, ' ').slice(0, 200);

/** The bytes of an image's file or its pixels, or why there are none. @param imageBytes most bytes of a file */
export const loadImage = async (
  id: string,
  content: ImageContent,
  imageBytes: number,
): Promise<Uint8Array | Fault> => {
  if (content.kind === 'bytes' && content.bytes.length > imageBytes)
    return fault(id, 'image-too-large', overBudget('imageBytes', imageBytes, content.bytes.length));
  if (content.kind !== 'path') return content.kind === 'bytes' ? content.bytes : content.pixels;
  const stats = await stat(content.path).catch(() => undefined);
  if (!stats?.isFile()) return fault(id, 'missing-file', 'expected an image file, got nothing at its path');
  if (stats.size > imageBytes)
    return fault(id, 'image-too-large', overBudget('imageBytes', imageBytes, stats.size));
  try {
    return await readFile(content.path);
  } catch (error) {
    return fault(id, 'unreadable-file', `expected a readable file, got ${message(error)}`);
  }
};

/** Decodes an image to [size, size, 3]. What can't be decoded is a fault with the reason, never a guess. */
export const decodeImage = async (
  id: string,
  content: ImageContent,
  options: DecodeOptions,
): Promise<DecodedImage | Fault> => {
  const { imageBytes, decodeBytes } = resolveBudgets(options.budgets);
  const bytes = await loadImage(id, content, imageBytes);
  if ('kind' in bytes) return bytes;
  if (bytes.length === 0) return fault(id, 'corrupt-image', 'expected an image, got no bytes');
  const { size, fit = 'contain', background = defaultBackground } = options;
  if (content.kind === 'pixels') {
    const { height, width, channels } = content;
    if (bytes.length !== height * width * channels) {
      return fault(
        id,
        'corrupt-image',
        `expected ${height} x ${width} x ${channels} bytes of pixels, got ${bytes.length}`,
      );
    }
    // What the library would decode and hand back as it is: sets of arrays hold tens of thousands of tiny images.
    if (channels !== 4 && (grows(content, { size, fit }) || (width === size && height === size))) {
      const frame = { size, fit, background: width === height ? white : await colourOf(background) };
      return { kind: 'image', pixels: enlargeToSquare({ pixels: bytes, width, height, channels }, frame) };
    }
  }
  const raw =
    content.kind === 'pixels'
      ? { raw: { width: content.width, height: content.height, channels: content.channels } }
      : {};
  const input = { ...raw, failOn: 'error', limitInputPixels: MAX_IMAGE_PIXELS } as const;
  try {
    const { decoding, unread, ...sides } =
      content.kind === 'pixels'
        ? { width: content.width, height: content.height, decoding: bytes.length, unread: undefined }
        : await measureImage(bytes, input);
    if (unread !== undefined) {
      return fault(
        id,
        'unread-depth',
        `expected an image of 8 or 16 bits a channel, got numbers of type ${unread}, whose black and white the file does not say: save it as PNG or TIFF of 8 or 16 bits`,
      );
    }
    const larger = grows(sides, { size, fit });
    const needed = larger ? Math.max(decoding, sides.width * sides.height * 3) : decoding;
    if (needed > decodeBytes)
      return fault(id, 'image-too-large', overBudget('decodeBytes', decodeBytes, needed));
    const decode = async (): Promise<{ readonly data: Uint8Array; readonly info: OutputInfo }> => {
      const inks = content.kind !== 'pixels' && (await isInkOnly(bytes, input));
      const image = inks
        ? await mixInks(bytes, larger ? undefined : { size, fit }, input)
        : sharp(bytes, input);
      // The library lays grey images on the grey of the background.
      if (!inks && background !== defaultBackground && (await isGrey(bytes, input)))
        image.pipelineColourspace('srgb');
      image.autoOrient();
      if (!larger) image.resize(size, size, { fit, background, ...resizeSettings(bytes) });
      return image
        .flatten({ background })
        .toColourspace('srgb')
        .raw({ depth: 'uchar' })
        .toBuffer({ resolveWithObject: true });
    };
    const { data, info } = await (options.gate ? options.gate.run(needed, decode) : decode());
    const frames = content.kind === 'pixels' ? 1 : await frameCount(bytes);
    const several = frames > 1 ? { frames } : {};
    if (larger && info.channels === 3) {
      const image = { pixels: data, width: info.width, height: info.height };
      const frame = { size, fit, background: await colourOf(background) };
      return { kind: 'image', pixels: enlargeToSquare(image, frame), ...several };
    }
    if (info.width !== size || info.height !== size || info.channels !== 3) {
      return fault(
        id,
        'corrupt-image',
        `expected ${size} x ${size} RGB after decoding, got ${info.width} x ${info.height} with ${info.channels} channels`,
      );
    }
    return { kind: 'image', pixels: data, ...several };
  } catch (error) {
    // Of sharp's own checks, which come before the decoder, this one is no matter of damage.
    if (message(error).includes('exceeds pixel limit')) {
      return fault(id, 'image-too-large', `expected at most ${MAX_IMAGE_PIXELS} pixels, got more`);
    }
    return fault(id, 'corrupt-image', describeUndecodable(bytes));
  }
};
