/**
 * What a sample shows, as a key: equal pictures and equal texts have equal keys, whatever they are called and wherever
 * they lie. Splits are drawn by it, so that nothing that is trained on is tested on under another name.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { ImageContent, Sample } from '../samples/sample.ts';

const hashFile = async (path: string): Promise<string | undefined> => {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }))
      hash.update(chunk as Buffer);
  } catch {
    // A picture that can't be read becomes a fault where it is decoded.
    return undefined;
  }
  return hash.digest('base64').slice(0, 24);
};

const hashImage = (image: ImageContent): Promise<string | undefined> | string =>
  image.kind === 'path'
    ? hashFile(image.path)
    : createHash('sha256')
        .update(image.kind === 'bytes' ? image.bytes : image.pixels)
        .digest('base64')
        .slice(0, 24);

/** Texts as far as they mean the same to a reader: letter case, Unicode form and white space aside. */
const plain = (text: string): string => text.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();

const hashTexts = (texts: readonly string[]): string =>
  createHash('sha256')
    // A pair shows the same in either order.
    .update(texts.map(plain).sort().join('\u0000'))
    .digest('base64')
    .slice(0, 24);

/** The key of a sample: of its picture's bytes, else of its texts. One that shows nothing has its id. */
export const contentKey = async (sample: Sample): Promise<string> => {
  if (sample.image) return (await hashImage(sample.image)) ?? `id:${sample.id}`;
  return sample.texts && sample.texts.length > 0 ? hashTexts(sample.texts) : `id:${sample.id}`;
};
