import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeImage, type DecodeOptions } from './image-decode.ts';
import { describeUndecodable } from './image-fault.ts';
import { enlargeToSquare } from './pixel-resize.ts';
import type { ImageContent } from '../samples/sample.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-decode-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const pixelsOf = async (content: ImageContent, options: DecodeOptions): Promise<number[]> => {
  const image = await decodeImage('x', content, options);
  if (image.kind === 'fault') throw new Error(image.reason);
  return [...image.pixels];
};

const bytes = (content: Uint8Array): ImageContent => ({ kind: 'bytes', bytes: content });
const at = (pixels: readonly number[], size: number, x: number, y: number): number[] =>
  pixels.slice((y * size + x) * 3, (y * size + x) * 3 + 3);
const raw = (pixels: number[], width: number, height: number, channels: 1 | 2 | 3 | 4) =>
  sharp(Uint8Array.from(pixels), { raw: { width, height, channels } });

/** SampleFormat of TIFF and bytes of a number. */
const tiffDepths = { ushort: [1, 2], int: [2, 4], float: [3, 4] } as const;

/** A TIFF of 2 x 2 grey values, black and white crosswise: 0 and 1, or 65,535 of 16 bits. */
const greyTiff = (depth: keyof typeof tiffDepths): Uint8Array => {
  const [format, size] = tiffDepths[depth];
  const view = new DataView(new ArrayBuffer(8 + 2 + 10 * 12 + 4 + 4 * size));
  view.setUint16(0, 0x4949);
  view.setUint16(2, 42, true);
  view.setUint32(4, 8, true);
  const start = 8 + 2 + 10 * 12 + 4;
  // Tags of type SHORT with one value: sides, bits, no compression, black is 0, strip, samples, rows, bytes, format.
  const tags = [
    256,
    2,
    257,
    2,
    258,
    8 * size,
    259,
    1,
    262,
    1,
    273,
    start,
    277,
    1,
    278,
    2,
    279,
    4 * size,
    339,
    format,
  ];
  view.setUint16(8, 10, true);
  for (let tag = 0; tag < 10; tag += 1) {
    const at = 10 + 12 * tag;
    view.setUint16(at, tags[2 * tag] ?? 0, true);
    view.setUint16(at + 2, 3, true);
    view.setUint32(at + 4, 1, true);
    view.setUint16(at + 8, tags[2 * tag + 1] ?? 0, true);
  }
  for (const [i, white] of [0, 1, 1, 0].entries()) {
    if (depth === 'ushort') view.setUint16(start + 2 * i, white * 65_535, true);
    else if (depth === 'int') view.setInt32(start + 4 * i, white, true);
    else view.setFloat32(start + 4 * i, white, true);
  }
  return new Uint8Array(view.buffer);
};

describe('decoding', () => {
  it('refuses numbers whose black and white no file says, and takes 16 bits', async () => {
    for (const depth of ['float', 'int'] as const) {
      expect(await decodeImage('x', bytes(greyTiff(depth)), { size: 2 })).toMatchObject({
        kind: 'fault',
        code: 'unread-depth',
        reason: `expected an image of 8 or 16 bits a channel, got numbers of type ${depth}, whose black and white the file does not say: save it as PNG or TIFF of 8 or 16 bits`,
      });
    }
    // 0 and the largest number of 16 bits.
    expect(await pixelsOf(bytes(greyTiff('ushort')), { size: 2 })).toEqual([
      0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0,
    ]);
  });

  it('reads nothing that an SVG refers to: no file, no address', async () => {
    const red = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const file = join(root, 'red.png');
    await writeFile(file, red);
    let asked = 0;
    const server = createServer((_, answer) => {
      asked += 1;
      answer.end(red);
    });
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    const { port } = server.address() as AddressInfo;
    const svg = (inner: string) =>
      Buffer.from(
        `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY e SYSTEM "file://${file}">]><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="8" height="8">${inner}</svg>`,
      );
    const image = (href: string) => `<image xlink:href="${href}" href="${href}" width="8" height="8"/>`;
    const path = join(root, 'refers.svg');
    for (const href of [file, `file://${file}`, 'red.png', `http://127.0.0.1:${port}/red.png`]) {
      for (const inner of [
        image(href),
        `<style>@import url("${href}");</style><rect fill="url(${href}#a)"/>`,
      ]) {
        await writeFile(path, svg(inner));
        for (const content of [bytes(svg(inner)), { kind: 'path', path } as const])
          expect(new Set(await pixelsOf(content, { size: 8 }))).toEqual(new Set([255]));
      }
    }
    // What is in the file itself is drawn: the test would see the others, too.
    const inside = svg(image(`data:image/png;base64,${red.toString('base64')}`));
    expect(at(await pixelsOf(bytes(inside), { size: 8 }), 8, 4, 4)).toEqual([255, 0, 0]);
    await new Promise((closed) => server.close(closed));
    expect(asked).toBe(0);
  });

  it('takes the first of very many frames, and a header that lies about strips is a fault', async () => {
    const side = 8;
    const noise = Uint8Array.from(
      { length: side * side * 3 * 500 },
      (_, i) => (Math.imul(i, 2654435761) >>> 24) & 255,
    );
    const raw500 = { raw: { width: side, height: side * 500, channels: 3, pageHeight: side } } as const;
    const animation = await sharp(noise, raw500).gif({ effort: 1 }).toBuffer();
    expect(await decodeImage('x', bytes(animation), { size: 8 })).toMatchObject({
      kind: 'image',
      frames: 500,
    });
    const tiff = await sharp(noise, raw500).tiff().toBuffer();
    const ifd = tiff.readUInt32LE(4);
    for (let entry = 0; entry < tiff.readUInt16LE(ifd); entry += 1) {
      const offset = ifd + 2 + 12 * entry;
      // 273 and 279: places and lengths of the strips.
      if (![273, 279].includes(tiff.readUInt16LE(offset))) continue;
      const lying = Buffer.from(tiff);
      lying.writeUInt32LE(0x7fffffff, offset + 4);
      expect(await decodeImage('x', bytes(lying), { size: 8 })).toMatchObject({ code: 'corrupt-image' });
    }
  });

  it('lays transparent images on white', async () => {
    // Left pixel opaque red, right one half transparent black: 255 * 0.5 = 127 or 128 on white.
    const png = await raw([255, 0, 0, 255, 0, 0, 0, 128], 2, 1, 4).png().toBuffer();
    const pixels = await pixelsOf(
      bytes(await sharp(png).resize(16, 8, { kernel: 'nearest' }).png().toBuffer()),
      {
        size: 16,
      },
    );
    expect(at(pixels, 16, 1, 8)).toEqual([255, 0, 0]);
    const [r = 0, g = 0, b = 0] = at(pixels, 16, 14, 8);
    expect(r === g && g === b && Math.abs(r - 127) <= 1).toBe(true);
    expect(at(pixels, 16, 8, 0)).toEqual([255, 255, 255]); // beside an image twice as wide as high
  });

  it('contains or covers the square', async () => {
    // 8 x 4: left half blue, right half green.
    const row = [...Array<number[]>(4).fill([0, 0, 255]), ...Array<number[]>(4).fill([0, 255, 0])].flat();
    const png = await raw([...row, ...row, ...row, ...row], 8, 4, 3)
      .png()
      .toBuffer();
    const contained = await pixelsOf(bytes(png), { size: 8, background: '#102030' });
    expect(at(contained, 8, 0, 0)).toEqual([16, 32, 48]);
    expect(at(contained, 8, 0, 4)).toEqual([0, 0, 255]);
    const covered = await pixelsOf(bytes(png), { size: 8, fit: 'cover' });
    // The middle, doubled: the filter's second lobe reaches over the border of the halves (Pillow's ImageOps.fit: the same).
    expect([0, 1, 2, 3, 4].map((x) => at(covered, 8, x, 0))).toEqual([
      [0, 8, 247],
      [0, 0, 255],
      [0, 0, 255],
      [0, 54, 201],
      [0, 201, 54],
    ]);
  });

  it('turns images upright by their EXIF orientation', async () => {
    // Stored: top black, bottom white; orientation 3 turns by half.
    const dark = Array<number>(8 * 4 * 3).fill(0);
    const light = Array<number>(8 * 4 * 3).fill(255);
    const png = await raw([...dark, ...light], 8, 8, 3)
      .withMetadata({ orientation: 3 })
      .png()
      .toBuffer();
    const pixels = await pixelsOf(bytes(png), { size: 8 });
    expect(at(pixels, 8, 4, 0)).toEqual([255, 255, 255]);
    expect(at(pixels, 8, 4, 7)).toEqual([0, 0, 0]);
  });

  it('gives RGB bytes for grey, 16-bit and CMYK images', async () => {
    const grey = await raw(Array<number>(16).fill(100), 4, 4, 1).toColourspace('b-w').png().toBuffer();
    expect(at(await pixelsOf(bytes(grey), { size: 4 }), 4, 1, 1)).toEqual([100, 100, 100]);
    const deep = await raw(Array<number>(48).fill(200), 4, 4, 3).toColourspace('rgb16').png().toBuffer();
    expect(at(await pixelsOf(bytes(deep), { size: 4 }), 4, 1, 1)).toEqual([200, 200, 200]);
    const print = await raw(Array<number>(48).fill(255), 4, 4, 3).toColourspace('cmyk').jpeg().toBuffer();
    expect(at(await pixelsOf(bytes(print), { size: 4 }), 4, 1, 1).every((value) => value > 250)).toBe(true);
  });

  it('reports what is no image, damaged, missing or empty', async () => {
    const noise = Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * 7919) % 256);
    const png = await raw(noise, 32, 32, 3).png().toBuffer();
    const flipped = Buffer.from(png);
    flipped[120] = (flipped[120] ?? 0) ^ 0xff;
    const path = join(root, 'text.png');
    await writeFile(path, 'this is no image');
    const contents: ImageContent[] = [
      bytes(flipped),
      bytes(png.subarray(0, png.length / 2)),
      { kind: 'path', path },
      { kind: 'path', path: join(root, 'none.png') },
      bytes(new Uint8Array(0)),
      { kind: 'pixels', pixels: new Uint8Array(5), height: 2, width: 2, channels: 1 },
    ];
    const results = await Promise.all(contents.map((content) => decodeImage('id', content, { size: 8 })));
    expect(results.map((result) => (result.kind === 'fault' ? result.code : result.kind))).toEqual([
      'corrupt-image',
      'corrupt-image',
      'corrupt-image',
      'missing-file',
      'corrupt-image',
      'corrupt-image',
    ]);
    expect(results[2]).toMatchObject({
      id: 'id',
      // "this is " in ASCII
      reason:
        'expected an image that can be decoded, got 16 bytes of no known format, beginning with 74 68 69 73 20 69 73 20',
    });
  });
});

describe('the reason for a damaged image', () => {
  it('says what it looks like and where it is damaged', async () => {
    const grey = raw(Array<number>(16).fill(100), 4, 4, 1);
    const png = await grey.png().toBuffer();
    const jpeg = await raw(Array<number>(16).fill(100), 4, 4, 1).jpeg().toBuffer();
    const flip = (content: Buffer, at: number): Buffer => {
      const damaged = Buffer.from(content);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      return damaged;
    };
    const data = png.indexOf('IDAT') - 4;
    const end = png.indexOf('IEND') - 4;
    const reasons: [Uint8Array, string][] = [
      [flip(png, data + 9), `${png.length} bytes of PNG whose chunk IDAT at byte ${data} fails its checksum`],
      // The letters of the type themselves: 'I' ^ 0xff is none.
      [flip(png, data + 4), `${png.length} bytes of PNG whose chunk at byte ${data} fails its checksum`],
      [png.subarray(0, data + 10), `${data + 10} bytes of PNG which ends within the chunk at byte ${data}`],
      [png.subarray(0, end), `${end} bytes of PNG which ends before its last chunk`],
      [png, `${png.length} bytes of a damaged PNG`],
      [jpeg.subarray(0, 100), '100 bytes of JPEG which does not end as one'],
      [flip(jpeg, 30), `${jpeg.length} bytes of a damaged JPEG`],
      [Buffer.from('GIF89a'), '6 bytes of a damaged GIF'],
      [Buffer.from('<?xml version="1.0"?><svg'), '25 bytes of a damaged SVG'],
      [Buffer.from('RIFF1234WEBP'), '12 bytes of a damaged WebP'],
      [Uint8Array.of(7), '1 bytes of no known format, beginning with 07'],
    ];
    for (const [content, reason] of reasons) {
      expect(describeUndecodable(content)).toBe(`expected an image that can be decoded, got ${reason}`);
    }
  });

  it('is the same whatever else is decoded at the time', async () => {
    const noise = Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 256);
    const png = await raw(noise, 64, 64, 3).png().toBuffer();
    // Damage at 40 places, all decoded at once, twice.
    const damaged = Array.from({ length: 40 }, (_, i) => {
      const copy = Buffer.from(png.subarray(0, png.length - (i % 3) * 50));
      const offset = png.indexOf('IDAT') + 8 + ((i * 37) % (png.length - 300));
      copy[offset] = (copy[offset] ?? 0) ^ 0xff;
      return bytes(copy);
    });
    const decode = () =>
      Promise.all(damaged.map((content, i) => decodeImage(String(i), content, { size: 8 })));
    const [first, second] = [await decode(), await decode()];
    expect(first.every(({ kind }) => kind === 'fault')).toBe(true);
    expect(second).toEqual(first);
  });
});

describe('raw pixels', () => {
  it.each([
    // [height, width, channels, size]: larger and smaller, of the same side, square and not.
    [28, 28, 1, 32],
    [28, 28, 1, 16],
    [28, 28, 3, 28],
    [28, 28, 4, 16],
    [9, 9, 4, 20],
    [12, 20, 1, 20],
    [12, 20, 3, 64],
    [40, 12, 1, 24],
    [40, 12, 3, 9],
    [12, 20, 4, 32],
  ] as const)('of %i x %i x %i become at %i what a file of them becomes', async (...shape) => {
    const [height, width, channels, size] = shape;
    const pixels = Uint8Array.from(
      { length: height * width * channels },
      (_, i) => (i * i * 31 + i * 7) % 256,
    );
    const image = raw([...pixels], width, height, channels);
    const file = await (channels === 1 ? image.toColourspace('b-w') : image).png().toBuffer();
    for (const fit of ['contain', 'cover'] as const) {
      const options = { size, fit, background: '#102030' };
      const [array, decoded] = await Promise.all([
        decodeImage('a', { kind: 'pixels', pixels, height, width, channels }, options),
        decodeImage('b', bytes(file), options),
      ]);
      const shown = [array, decoded].map((each) => (each.kind === 'image' ? [...each.pixels] : each.reason));
      expect(shown[0]).toEqual(shown[1]);
      // The colour beside a narrow image is the background's, also of grey images.
      if (fit === 'contain' && width < height) expect(shown[0]?.slice(0, 3)).toEqual([16, 32, 48]);
    }
  });

  it('are what a WebP without loss of them is, which the library would shrink by another filter', async () => {
    const pixels = Array.from({ length: 300 * 200 * 3 }, (_, i) => (i * i * 31 + i * 7) % 256);
    const image = raw(pixels, 300, 200, 3);
    const files = [await image.png().toBuffer(), await image.webp({ lossless: true }).toBuffer()];
    const [png, webp] = await Promise.all(files.map((file) => decodeImage('a', bytes(file), { size: 64 })));
    expect(webp).toEqual(png);
  });

  it('are enlarged as Pillow does by its Lanczos filter', () => {
    // 3 x 4, each row 0 80 160 240. Recorded of Pillow 13.0.0: resize((8, 6)) and ImageOps.fit((7, 7)).
    const pixels = Uint8Array.from({ length: 36 }, (_, i) => (Math.floor(i / 3) % 4) * 80);
    const image = { pixels, width: 4, height: 3 };
    const row = (square: Uint8Array, size: number, y: number): number[] =>
      Array.from({ length: size }, (_, x) => square[(y * size + x) * 3] ?? -1);
    const contained = enlargeToSquare(image, { size: 8, fit: 'contain', background: [1, 2, 3] });
    expect(row(contained, 8, 0)).toEqual(Array(8).fill(1));
    for (let y = 1; y < 7; y += 1) expect(row(contained, 8, y)).toEqual([0, 11, 54, 102, 138, 186, 229, 247]);
    expect([...contained.subarray(7 * 8 * 3, 7 * 8 * 3 + 3)]).toEqual([1, 2, 3]);
    const covered = enlargeToSquare(image, { size: 7, fit: 'cover', background: [0, 0, 0] });
    for (let y = 0; y < 7; y += 1) expect(row(covered, 7, y)).toEqual([9, 43, 87, 120, 153, 197, 231]);
  });

  it('stay as they are where they fill the square, and constant ones stay constant', () => {
    const pixels = Uint8Array.from({ length: 75 }, (_, i) => (i * 31) % 256);
    const frame = { fit: 'contain', background: [1, 2, 3] } as const;
    expect(enlargeToSquare({ pixels, width: 5, height: 5 }, { size: 5, ...frame })).toEqual(pixels);
    const grey = { pixels: new Uint8Array(28 * 28).fill(77), width: 28, height: 28, channels: 1 } as const;
    expect(new Set(enlargeToSquare(grey, { size: 48, ...frame }))).toEqual(new Set([77]));
  });
});
