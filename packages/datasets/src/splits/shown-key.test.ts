import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { contentKey } from './content-key.ts';
import { CLIP } from '../kinds/clip-rows.ts';
import { labelledVideo } from '../kinds/labelled-video.ts';
import type { ImageContent, Sample, SampleContent } from '../samples/sample.ts';
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

  it('is the same for large images in other files without loss', async () => {
    const sides = { width: 300, height: 200, channels: 3 } as const;
    const noise = Uint8Array.from({ length: 300 * 200 * 3 }, (_, i) => (i * i * 31 + i * 7) % 256);
    const large = () => sharp(noise, { raw: sides });
    const files = [
      await large().png().toBuffer(),
      await large().ensureAlpha().png().toBuffer(),
      await large().webp({ lossless: true }).toBuffer(),
    ];
    const keys = await Promise.all(files.map(key));
    expect(keys[1]).toBe(keys[0]);
    expect(keys[2]).toBe(keys[0]);
    expect(await shownKey(sample({ kind: 'pixels', pixels: noise, ...sides }))).toBe(keys[0]);
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

  it('of a clip is that of the frames that are kept, whatever holds them', async () => {
    const {
      width: side,
      height: tall,
      cases,
    } = JSON.parse(readFileSync(join(import.meta.dirname, '../../test/fixtures/apng.json'), 'utf8')) as {
      width: number;
      height: number;
      cases: { name: string; file: string; frames: string[] }[];
    };
    const { file = '', frames = [] } = cases.find(({ name }) => name.startsWith('RGB,')) ?? {};
    const shapes = { width: side, height: tall, channels: 4 } as const;
    const raws = frames.map((frame) => Buffer.from(frame, 'base64'));
    const strip = sharp(Buffer.concat(raws), {
      raw: { ...shapes, height: tall * raws.length, pageHeight: tall },
    });
    const clip = (content: SampleContent): Sample => ({
      kind: 'sample',
      id: 'x',
      contents: { [CLIP]: content },
    });
    const clips: SampleContent[] = [
      { kind: 'bytes', bytes: Buffer.from(file, 'base64') },
      { kind: 'bytes', bytes: await strip.webp({ lossless: true }).toBuffer() },
      {
        kind: 'frames',
        frames: raws.length,
        key: 'any',
        frame: (at) => ({ kind: 'pixels', pixels: raws[at] ?? new Uint8Array(0), ...shapes }),
      },
    ];
    const settings = { frames: 2, stride: 1 };
    const keyOf = (content: SampleContent, kept: object = settings): Promise<string> =>
      shownKey(clip(content), {
        shown: async (each) => labelledVideo.shown?.(each, { settings: { ...settings, ...kept } }),
      });
    const keys = await Promise.all(clips.map((content) => keyOf(content)));
    expect(new Set(keys).size).toBe(1);
    // Other frames are another clip, one that can't be read is told by its bytes, and no kind says nothing.
    expect(await keyOf(clips[0] as SampleContent, { frames: 3 })).not.toBe(keys[0]);
    const broken = clip({ kind: 'bytes', bytes: Buffer.from(file, 'base64').subarray(0, 80) });
    expect(await keyOf(broken.contents?.[CLIP] as SampleContent)).toBe(await contentKey(broken));
    expect(await shownKey(clip(clips[0] as SampleContent))).toBe(
      await contentKey(clip(clips[0] as SampleContent)),
    );
  });
});
