/**
 * What a sample shows, as a key: equal images and equal texts have equal keys, whatever they are called and wherever
 * they lie. Splits are drawn by it, so that nothing that is trained on is tested on under another name.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { ImageContent, Sample, SampleContent } from '../samples/sample.ts';

const hashFile = async (path: string): Promise<string | undefined> => {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }))
      hash.update(chunk as Buffer);
  } catch {
    // An image that can't be read becomes a fault where it is decoded.
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

/** Of all contents together, by name; undefined where one can't be read. */
const hashContents = async (
  contents: Readonly<Record<string, SampleContent>>,
): Promise<string | undefined> => {
  const hash = createHash('sha256');
  for (const [name, content] of Object.entries(contents).sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`\0${name}\0`);
    if (content.kind === 'bytes') hash.update(content.bytes);
    else if (content.kind === 'frames') hash.update(content.key);
    else if (content.kind === 'values') {
      const { buffer, byteOffset, byteLength } = content.values;
      hash.update(`${content.shape.join('x')}\0`).update(new Uint8Array(buffer, byteOffset, byteLength));
    } else {
      for (const path of content.kind === 'path' ? [content.path] : content.paths) {
        const file = await hashFile(path);
        if (file === undefined) return undefined;
        hash.update(file);
      }
    }
  }
  return hash.digest('base64').slice(0, 24);
};

/** Texts as far as they mean the same to a reader: letter case, Unicode form and white space aside. */
const plain = (text: string): string => text.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();

const hashTexts = (texts: readonly string[]): string =>
  createHash('sha256')
    // A pair shows the same in either order.
    .update(texts.map(plain).sort().join('\u0000'))
    .digest('base64')
    .slice(0, 24);

/** The key of a sample: of its image's bytes, else of its further contents, else of its texts. One that shows nothing has its id. */
export const contentKey = async (sample: Sample): Promise<string> => {
  if (sample.image) return (await hashImage(sample.image)) ?? `id:${sample.id}`;
  if (sample.contents) return (await hashContents(sample.contents)) ?? `id:${sample.id}`;
  return sample.texts && sample.texts.length > 0 ? hashTexts(sample.texts) : `id:${sample.id}`;
};
