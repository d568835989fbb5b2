/**
 * What a reader of a sample sees, as a key: files that differ while their image does not (another compression, a
 * comment, another format without loss) have equal keys. It finds samples that are equal; splits are still drawn by
 * {@link contentKey}, since pixels may change with the image library and files don't.
 * Axis legend: H rows · W columns.
 */
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { ConfigError, resolveBudgets, type Budgets, type ByteGate } from '@polygate/core';
import { contentKey } from './content-key.ts';
import { measureImage } from '../images/image-budget.ts';
import { loadImage, MAX_IMAGE_PIXELS, resizeSettings } from '../images/image-decode.ts';
import type { ImageContent, Sample } from '../samples/sample.ts';

/**
 * Longest sides of the image that is compared, in pixels. Larger ones are averaged to it, which is cheaper than all
 * of their pixels; noise alone keeps two photographs apart.
 */
const FRAME = 128;

export interface ShownKeyOptions {
  /** Images beyond `imageBytes` and `decodeBytes` are compared by their bytes. @default those of core */
  readonly budgets?: Partial<Budgets>;
  /** Shared by images that are decoded at once. @default each is on its own */
  readonly gate?: ByteGate;
  /** What a sample without an image of its own shows, by its kind of dataset. @default nothing */
  readonly shown?: (sample: Sample) => Promise<ShownImages | undefined>;
}

/** Images that something shows one after the other, as a clip does. */
export interface ShownImages {
  /** Bytes that reading them takes at once. */
  readonly bytes: number;
  images(): AsyncIterable<ImageContent> | Iterable<ImageContent>;
}

/** Undefined for what can't be decoded: it becomes a fault where it is written. */
const pixelKey = async (image: ImageContent, options: ShownKeyOptions): Promise<string | undefined> => {
  const { imageBytes, decodeBytes } = resolveBudgets(options.budgets);
  const bytes = await loadImage('', image, imageBytes);
  if ('kind' in bytes || bytes.length === 0) return undefined;
  const raw =
    image.kind === 'pixels'
      ? { raw: { width: image.width, height: image.height, channels: image.channels } }
      : {};
  const input = { ...raw, failOn: 'error', limitInputPixels: MAX_IMAGE_PIXELS } as const;
  // [H, W, 4]
  const decode = () =>
    sharp(bytes, input)
      .autoOrient()
      .resize(FRAME, FRAME, { fit: 'fill', withoutEnlargement: true, ...resizeSettings(bytes) })
      .toColourspace('srgb')
      .ensureAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
  try {
    const needed = image.kind === 'pixels' ? bytes.length : (await measureImage(bytes, input)).decoding;
    if (needed > decodeBytes) return undefined;
    const { data, info } = await (options.gate ? options.gate.run(needed, decode) : decode());
    // What lies under transparent parts is not shown.
    for (let at = 3; at < data.length; at += 4) if (data[at] === 0) data.fill(0, at - 3, at);
    const sides = `${info.width}x${info.height}`;
    return createHash('sha256').update(sides).update(data).digest('base64').slice(0, 24);
  } catch {
    return undefined;
  }
};

/** Of images one after the other, as those of a clip. */
const sequenceKey = async (
  { bytes, images }: ShownImages,
  { budgets, gate }: ShownKeyOptions,
): Promise<string | undefined> => {
  if (bytes > resolveBudgets(budgets).decodeBytes) return undefined;
  const keyOf = async (): Promise<string | undefined> => {
    const keys: string[] = [];
    for await (const image of images()) {
      const key = await pixelKey(image, budgets ? { budgets } : {});
      if (key === undefined) return undefined;
      keys.push(key);
    }
    // A single one shows what an image shows.
    return keys.length > 1 ? createHash('sha256').update(keys.join()).digest('base64').slice(0, 24) : keys[0];
  };
  return gate ? gate.run(bytes, keyOf) : keyOf();
};

const shownImagesKey = async (
  sample: Sample,
  { shown, ...options }: ShownKeyOptions,
): Promise<string | undefined> => {
  try {
    const images = await shown?.(sample);
    return images && (await sequenceKey(images, options));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    return undefined;
  }
};

/**
 * The key of a sample by the pixels of its image, else of the images that its kind of dataset shows of it; of one
 * without an image that can be decoded, its {@link contentKey}.
 */
export const shownKey = async (sample: Sample, options: ShownKeyOptions = {}): Promise<string> =>
  (sample.image ? await pixelKey(sample.image, options) : await shownImagesKey(sample, options)) ??
  (await contentKey(sample));
