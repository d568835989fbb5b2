/** Images to damage. */
import sharp from 'sharp';

const noisy = (side: number): Buffer =>
  Buffer.from(Array.from({ length: side * side * 3 }, (_, i) => (i * 7919 + (i >> 3) * 31) % 256));

const of = (side: number) => sharp(noisy(side), { raw: { width: side, height: side, channels: 3 } });

/** A PNG of a few pixels. */
export const tinyImage = (): Promise<Buffer> => of(4).png().toBuffer();

const svg =
  '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="12" height="12" viewBox="0 0 12 12"><defs><circle id="c" cx="6" cy="6" r="3"/></defs><use xlink:href="#c" fill="red"/></svg>';

/** One small image of each format that is read, some of them with frames, pages, alpha, 16 bits, or a palette. */
export const imageSeeds = async (): Promise<readonly Uint8Array[]> => {
  const animation = { raw: { width: 8, height: 16, channels: 3, pageHeight: 8 } } as const;
  const frames = sharp(noisy(16).subarray(0, 8 * 16 * 3), animation);
  return [
    await of(12).png().toBuffer(),
    await of(12).png({ progressive: true }).toBuffer(),
    await of(12).toColourspace('rgb16').png().toBuffer(),
    await of(12).ensureAlpha(0.5).png({ palette: true }).toBuffer(),
    await of(12).jpeg().toBuffer(),
    await of(12).jpeg({ progressive: true }).withMetadata({ orientation: 6 }).toBuffer(),
    await of(12).toColourspace('cmyk').jpeg().toBuffer(),
    await of(12).webp().toBuffer(),
    await of(12).webp({ lossless: true }).toBuffer(),
    await frames.clone().webp({ loop: 0 }).toBuffer(),
    await frames.clone().gif().toBuffer(),
    await of(12).tiff().toBuffer(),
    await of(12).tiff({ compression: 'lzw', tile: true, tileWidth: 16, tileHeight: 16 }).toBuffer(),
    await of(12).avif({ effort: 0 }).toBuffer(),
    Buffer.from(svg),
  ];
};
