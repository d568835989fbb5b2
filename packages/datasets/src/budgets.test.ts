import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp, { type PngOptions } from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FormatError } from '@polygate/core';
import { measureImage } from './images/image-budget.ts';
import { decodeImage } from './images/image-decode.ts';
import { openCocoCaptions } from './readers/coco-captions.ts';
import { openPlainText } from './readers/plain-text.ts';
import { openWebDataset } from './readers/webdataset.ts';
import { readAll } from '../test/support/read-all.ts';
import { tarEnd, tarMember } from '../test/support/tar-writer.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'budgets-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const save = async (name: string, content: string | Uint8Array): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
};

const tarOf = (members: readonly (readonly [string, string])[]): Buffer =>
  Buffer.concat([...members.map(([path, text]) => tarMember(path, Buffer.from(text))), tarEnd]);

const png = (options: PngOptions & { readonly side: number; readonly wide?: boolean }): Promise<Buffer> => {
  const { side, wide = false, ...rest } = options;
  const image = sharp({ create: { width: side, height: side, channels: 3, background: '#123456' } });
  return (wide ? image.toColourspace('rgb16') : image).png(rest).toBuffer();
};

describe('the budget of decoding', () => {
  it('counts what comes in passes whole, by channels and depth, and strips for a quarter', async () => {
    const side = 1100;
    const whole = side * side * 3;
    const cases: readonly (readonly [Buffer, number])[] = [
      [await png({ side, progressive: true, wide: true }), whole * 2],
      [await png({ side, progressive: true }), whole],
      [await png({ side }), Math.ceil(whole / 4)],
      [
        await sharp(await png({ side }))
          .jpeg({ progressive: true })
          .toBuffer(),
        whole,
      ],
      [
        await sharp(await png({ side }))
          .jpeg()
          .withMetadata({ orientation: 6 })
          .toBuffer(),
        whole,
      ],
      [
        await sharp(await png({ side }))
          .gif()
          .toBuffer(),
        side * side * 4,
      ],
    ];
    for (const [bytes, expected] of cases) {
      const { channels, format } = await sharp(bytes).metadata();
      const decodedBytes = format === 'gif' ? side * side * channels : expected;
      expect((await measureImage(bytes, {})).decoding).toBe(decodedBytes);
    }
    // Small images are not asked further: 8 bytes a pixel.
    expect(await measureImage(await png({ side: 10 }), {})).toEqual({
      width: 10,
      height: 10,
      decoding: 800,
    });
  });

  it('counts very wide images by rows, also those that are turned: their strips are as wide', async () => {
    const wide = (width: number, height: number) =>
      sharp({ create: { width, height, channels: 3, background: 'red' } });
    const decoding = async (bytes: Uint8Array) => (await measureImage(bytes, {})).decoding;
    expect(await decoding(await wide(100_000, 1).png().toBuffer())).toBe(100_000 * 3 * 1024);
    expect(await decoding(await wide(1, 100_000).png().toBuffer())).toBe(75_000);
    const turned = await wide(1, 30_000).jpeg().withMetadata({ orientation: 6 }).toBuffer();
    expect(await decoding(turned)).toBe(30_000 * 3 * 1024);
  });

  it('refuses an image that exceeds it before decoding, by name', async () => {
    const side = 1100;
    const bytes = await png({ side, progressive: true, wide: true });
    const decode = (decodeBytes: number) =>
      decodeImage('a', { kind: 'bytes', bytes }, { size: 4, budgets: { decodeBytes } });
    expect(await decode(side * side * 6 - 1)).toEqual({
      kind: 'fault',
      id: 'a',
      code: 'image-too-large',
      reason:
        'expected at most 7259999 bytes (budget decodeBytes), got 7260000; raise the budget if that is meant',
    });
    expect(await decode(side * side * 6)).toMatchObject({ kind: 'image' });
  });

  it('bounds the encoded image, in files and in archives', async () => {
    const bytes = await png({ side: 10 });
    const path = await save('small.png', bytes);
    for (const content of [{ kind: 'bytes', bytes } as const, { kind: 'path', path } as const]) {
      const result = await decodeImage('a', content, { size: 4, budgets: { imageBytes: 20 } });
      expect(result).toMatchObject({
        code: 'image-too-large',
        reason: `expected at most 20 bytes (budget imageBytes), got ${bytes.length}; raise the budget if that is meant`,
      });
    }
  });
});

describe('the budgets of archives', () => {
  it('bound a member and all members of a key; the next sample is whole again', async () => {
    const archive = await save(
      'a.tar.gz',
      gzipSync(
        tarOf([
          ['one.txt', 'a'.repeat(3000)],
          ['two.a.txt', 'b'.repeat(900)],
          ['two.b.txt', 'b'.repeat(900)],
          ['two.c.txt', 'b'.repeat(900)],
          ['three.txt', 'a cat'],
        ]),
      ),
    );
    const budgets = { memberBytes: 1000, sampleBytes: 2000 };
    expect(await readAll(await openWebDataset({ files: [archive], budgets }))).toMatchObject([
      {
        code: 'entry-too-large',
        reason:
          'one.txt: expected at most 1000 bytes (budget memberBytes), got 3000; raise the budget if that is meant',
      },
      {
        code: 'sample-too-large',
        reason:
          'expected at most 2000 bytes (budget sampleBytes), got 2700 or more; raise the budget if that is meant',
      },
      { kind: 'sample', texts: ['a cat'] },
    ]);
  });
});

describe('the budgets of text', () => {
  it('bound a paragraph: it is left out with its size, and the next one is read', async () => {
    const file = await save('a.txt', `${'some words\n'.repeat(100)}\nshort\n`);
    // A line counts its 10 bytes and 24 beside them.
    expect(
      await readAll(await openPlainText({ files: [file], unit: 'paragraph', budgets: { textBytes: 3399 } })),
    ).toMatchObject([
      {
        id: 'a.txt:1',
        code: 'text-too-long',
        reason: expect.stringContaining('expected at most 3399 bytes (budget textBytes), got 3400;'),
      },
      { kind: 'sample', id: 'a.txt:102', texts: ['short'] },
    ]);
    expect(
      await readAll(await openPlainText({ files: [file], unit: 'paragraph', budgets: { textBytes: 3400 } })),
    ).toHaveLength(2);
  });

  it('bound a caption of an archive and of annotations', async () => {
    const long = 'x'.repeat(1001);
    const archive = await save(
      'texts.tar',
      tarOf([
        ['one.txt', long],
        ['two.json', JSON.stringify({ caption: long })],
        ['three.txt', long.slice(1)],
      ]),
    );
    const budgets = { textBytes: 1000 };
    const reason =
      '.txt: expected at most 1000 bytes (budget textBytes), got 1001; raise the budget if that is meant';
    expect(await readAll(await openWebDataset({ files: [archive], budgets }))).toMatchObject([
      { id: 'texts.tar/one', code: 'text-too-long', reason },
      { id: 'texts.tar/two', code: 'text-too-long' },
      { kind: 'sample', id: 'texts.tar/three' },
    ]);
    const annotations = await save(
      'long.json',
      JSON.stringify({
        images: [{ id: 1, file_name: 'a.png' }],
        annotations: [
          { image_id: 1, caption: long },
          { image_id: 1, caption: 'a cat' },
        ],
      }),
    );
    expect(await readAll(await openCocoCaptions({ annotations, images: folder, budgets }))).toMatchObject([
      { code: 'text-too-long', reason: expect.stringContaining('(budget textBytes), got 1001') },
      { kind: 'sample', texts: ['a cat'] },
    ]);
  });

  it('bound a document', async () => {
    const file = await save('b.txt', 'some words\n\n'.repeat(100));
    const [item] = await readAll(
      await openPlainText({ files: [file], unit: 'document', budgets: { documentBytes: 1000 } }),
    );
    expect(item).toMatchObject({
      code: 'document-too-long',
      reason: expect.stringContaining('expected at most 1000 bytes (budget documentBytes), got'),
    });
  });
});

describe('the budget of JSON', () => {
  it('bounds annotations', async () => {
    const annotations = await save(
      'coco.json',
      JSON.stringify({ images: Array(200).fill([]), annotations: [] }),
    );
    const open = openCocoCaptions({ annotations, images: folder, budgets: { jsonBytes: 20_000 } });
    await expect(open).rejects.toThrow(FormatError);
    await expect(open).rejects.toThrow('expected at most 20000 bytes (budget jsonBytes), got');
  });
});
