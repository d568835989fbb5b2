import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { contentKey } from './content-key.ts';
import type { ImageContent, Sample } from '../samples/sample.ts';
import { shownKey } from './shown-key.ts';

const [height, width] = [6, 9];
const pixels = Uint8Array.from({ length: height * width * 3 }, (_, i) => (i * 37) % 256);
const raw = { raw: { width, height, channels: 3 } } as const;
const image = () => sharp(pixels, raw);
const sample = (image: ImageContent): Sample => ({ kind: 'sample', id: 'x', image });
const key = (bytes: Uint8Array): Promise<string> => shownKey(sample({ kind: 'bytes', bytes }));

describe('shownKey', () => {
  it('is the same for files that show the same pixels', async () => {
    const files = [
      await image().png({ compressionLevel: 0 }).toBuffer(),
      await image().png({ compressionLevel: 9, adaptiveFiltering: true }).toBuffer(),
      await image().png({ progressive: true }).toBuffer(),
      await image().withMetadata({ density: 300 }).png().toBuffer(),
      await image().ensureAlpha().png().toBuffer(),
      await image().webp({ lossless: true }).toBuffer(),
      await image().tiff({ compression: 'lzw' }).toBuffer(),
    ];
    const keys = await Promise.all(files.map(key));
    expect(new Set(keys).size).toBe(1);
    expect(await shownKey(sample({ kind: 'pixels', pixels, height, width, channels: 3 }))).toBe(keys[0]);
    // The split is drawn by the files.
    const content = await Promise.all(files.map((bytes) => contentKey(sample({ kind: 'bytes', bytes }))));
    expect(new Set(content).size).toBe(files.length);
  });

  it('passes over comments of a JPEG, and what lies under transparent parts', async () => {
    const jpeg = await image().jpeg().toBuffer();
    const comment = Buffer.from([0xff, 0xfe, 0, 6, 1, 2, 3, 4]);
    expect(await key(Buffer.concat([jpeg.subarray(0, 2), comment, jpeg.subarray(2)]))).toBe(await key(jpeg));
    const clear = (red: number): Promise<Buffer> =>
      sharp(Uint8Array.from([1, 2, 3, 255, red, 0, 0, 0]), { raw: { width: 2, height: 1, channels: 4 } })
        .png()
        .toBuffer();
    expect(await key(await clear(9))).toBe(await key(await clear(200)));
  });

  it('differs for other pixels, another shape, another way up and another opacity', async () => {
    const changed = Uint8Array.from(pixels, (value, i) => (i === 40 ? value ^ 1 : value));
    const turned = { raw: { width: height, height: width, channels: 3 } } as const;
    const keys = await Promise.all(
      [
        image(),
        sharp(changed, raw),
        sharp(pixels, turned),
        image().withMetadata({ orientation: 3 }),
        image().ensureAlpha(0.5),
      ].map(async (image) => key(await image.png().toBuffer())),
    );
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('tells large images apart by a few pixels', async () => {
    const large = new Uint8Array(512 * 512 * 3).fill(90);
    const dotted = Uint8Array.from(large);
    dotted.fill(255, 30_000, 30_012);
    const keys = [large, dotted].map((each) =>
      shownKey(sample({ kind: 'pixels', pixels: each, height: 512, width: 512, channels: 3 })),
    );
    expect(await keys[0]).not.toBe(await keys[1]);
  });

  it('is the key of the content where no image can be decoded', async () => {
    const png = await image().png().toBuffer();
    const broken = sample({ kind: 'bytes', bytes: png.subarray(0, 60) });
    expect(await shownKey(broken)).toBe(await contentKey(broken));
    const whole = sample({ kind: 'bytes', bytes: png });
    expect(await shownKey(whole, { budgets: { decodeBytes: 16 } })).toBe(await contentKey(whole));
    const words: Sample = { kind: 'sample', id: 'x', texts: ['Words'] };
    expect(await shownKey(words)).toBe(await contentKey(words));
  });
});
