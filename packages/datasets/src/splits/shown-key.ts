/**
 * What a reader of a sample sees, as a key: files that differ while their image does not (another compression, a
 * comment, another format without loss) have equal keys. It finds samples that are equal; splits are still drawn by
 * {@link contentKey}, since pixels may change with the image library and files don't.
 * Axis legend: H rows · W columns.
 */
import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { resolveBudgets, type Budgets, type ByteGate } from '@polygate/core';
import { contentKey } from './content-key.ts';
import { measureImage } from '../images/image-budget.ts';
import { loadImage, MAX_IMAGE_PIXELS } from '../images/image-decode.ts';
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
      .resize(FRAME, FRAME, { fit: 'fill', withoutEnlargement: true })
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

/** The key of a sample by its image's pixels; of one without an image that can be decoded, its {@link contentKey}. */
export const shownKey = async (sample: Sample, options: ShownKeyOptions = {}): Promise<string> =>
  (sample.image && (await pixelKey(sample.image, options))) ?? (await contentKey(sample));
