/**
 * Tables, settings, annotations and archives as people have them, through the command line: the rows that come of
 * them, or the error that says what to do. Some of it in a process of its own, as a shell starts it.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { tarEnd, tarMember } from '../packages/datasets/test/support/tar-writer.ts';
import { none, image, readPrepared, texts, useOwnData } from './own-data.ts';

const { at, put, prepared, refused } = useOwnData();

const images = async (folder: string, count: number): Promise<void> => {
  for (let n = 0; n < count; n += 1) await put(`${folder}/${n}.svg`, image(n));
};

/** Captions as tools for people write them: with quotes that belong to the text. */
const captions = [
  'a red disc',
  '"stop" reads the sign',
  '"hello there',
  'a sign that says "open"',
  'it, has; all | of them',
];
const rowsOf = (delimiter: string): string =>
  ['image', ...captions.map((_, n) => `${n}.svg`)]
    .map((name, n) => `${name}${delimiter}${n === 0 ? 'caption' : (captions[n - 1] ?? '')}`)
    .join('\n');

describe('tables', () => {
  it('with tabs have quotes that belong to the text, until a setting says otherwise', async () => {
    await images('photos', 5);
    const file = await put('captions.tsv', rowsOf('\t'));
    const source = { source: 'captions-csv', file, images: at('photos'), ...none };
    const { splits, quarantine } = await prepared({ p: source });
    expect(texts(splits['train'])).toEqual(captions.map((caption) => [caption]));
    expect(quarantine).toEqual({});
    const quoted = await put('quoted.tsv', 'image\tcaption\n0.svg\t"a ""grey"" cat"\n1.svg\tplain\n');
    expect(await refused({ p: { ...source, file: quoted } })).toContain(
      'got cells quoted as CSV quotes them, first "a \\"grey\\" cat" in line 2; set quotes to "csv", or to "none" if the quotes belong to the text',
    );
    expect(
      texts((await prepared({ p: { ...source, file: quoted, quotes: 'csv' } })).splits['train']),
    ).toEqual([['a "grey" cat'], ['plain']]);
    expect(
      texts((await prepared({ p: { ...source, file: quoted, quotes: 'none' } })).splits['train'])[0],
    ).toEqual(['"a ""grey"" cat"']);
  });

  it('of sentences with tabs, as pandas quotes them and as GLUE does not', async () => {
    const file = await put(
      'pandas.tsv',
      'sentence\tlabel\n"a ""grey"" cat"\t0\nplain\t1\n"over\ntwo lines"\t1\n',
    );
    const source = { source: 'labelled-tsv', file, textColumns: ['sentence'], labelColumn: 'label', ...none };
    expect(await refused({ p: source })).toContain('set quotes to "csv", or to "none"');
    const { splits, classes } = await prepared({ p: { ...source, quotes: 'csv' } });
    expect([classes, splits['train']?.map(({ label }) => label)]).toEqual([
      ['0', '1'],
      ['0', '1', '1'],
    ]);
    expect(texts(splits['train'])).toEqual([['a "grey" cat'], ['plain'], ['over\ntwo lines']]);
    const glue = await put('glue.tsv', 'sentence\tlabel\n"begins\t0\nplain\t1\nends"\t1\n');
    expect(texts((await prepared({ p: { ...source, file: glue } })).splits['train'])).toEqual([
      ['"begins'],
      ['plain'],
      ['ends"'],
    ]);
  });

  it("without a header line are read as the error says: Flickr's results.token", async () => {
    await images('photos', 3);
    const lines = [0, 1, 2].flatMap((n) => [0, 1].map((v) => `${n}.svg#${v}\tcaption ${v} of image ${n} .`));
    const file = await put('results.token', lines.join('\n'));
    const source = { source: 'captions-csv', file, images: at('photos'), ...none };
    expect(await refused({ p: source })).toContain(
      'this looks like a row: if the file has no header line, set header to false and imageColumn to an index from 0',
    );
    const { splits } = await prepared({ p: { ...source, header: false, imageColumn: 0 } });
    expect(splits['train']).toEqual(
      [0, 1, 2].map((n) => ({
        id: `${n}.svg`,
        texts: [0, 1].map((v) => `caption ${v} of image ${n} .`),
      })),
    );
  });

  it('in UTF-16 are refused by name, with a mark and without', async () => {
    await images('photos', 1);
    for (const mark of ['\ufeff', '']) {
      const file = await put('wide.txt', Buffer.from(`${mark}image\tcaption\r\n0.svg\tone\r\n`, 'utf16le'));
      expect(await refused({ p: { source: 'captions-csv', file, images: at('photos') } })).toContain(
        'wide.txt: expected UTF-8 text, got UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)',
      );
    }
  });
});

describe('settings', () => {
  it('have the type that the recipe says: what looks like a number in a text stays a text', async () => {
    // Only the folder whose name is written so has the image.
    const folders = ['1.10', '1e3', '007', 'true', 'null'];
    for (const [n, folder] of folders.entries()) await put(`${folder}/1.svg`, image(n));
    for (const [n, folder] of ['1.1', '1000', '7'].entries()) await put(`${folder}/2.svg`, image(n + 9));
    const file = await put('t.csv', 'image\tcaption\n1.svg\tone\n');
    const sources = folders.map((_, n) => [`s${n}`, { source: 'captions-csv', file, ...none }] as const);
    const recipe = await put(
      'recipe.json',
      JSON.stringify({ image: { size: 8 }, baselines: false, sources: Object.fromEntries(sources) }),
    );
    const settings = folders.flatMap((folder, n) => [
      `sources.s${n}.images=${folder}`,
      `sources.s${n}.dataset=2024`,
      `sources.s${n}.delimiter=\\t`,
    ]);
    const start = (...set: string[]) =>
      promisify(execFile)(
        process.execPath,
        [
          join(import.meta.dirname, '../apps/polygate/bin/polygate.js'),
          ...['prepare', '--recipe', recipe],
          ...[...settings, 'name=2024', ...set].flatMap((setting) => ['--set', setting]),
        ],
        { cwd: at('.') },
      );
    await start();
    expect((await readPrepared(at('data/2024'))).splits).toEqual({
      train: ['1.svg', ...[1, 2, 3, 4].map((n) => `s${n}/1.svg`)].map((id) => ({ id, texts: ['one'] })),
    });
    await expect(start('image.background=whit')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        'prepare recipe: image.background: expected an opaque colour as CSS writes it, such as #ffffff, white or rgb(255, 255, 255), got "whit"; set it with --set image.background=VALUE',
      ) as unknown,
    });
  });
});

describe('annotations of COCO', () => {
  const annotations = (more: string): string =>
    `{"images":[0,1]${more},"annotations":[]}`.replace(
      '"images":[0,1]',
      '"images":[{"id":1,"file_name":"0.svg"},{"id":2,"file_name":"1.svg"}]',
    );

  it('may begin with a byte order mark, and have the NaN that Python writes', async () => {
    await images('i', 2);
    const rows = [1, 2].map((id) => `{"id":${id},"image_id":${id},"caption":"caption ${id}","area":NaN}`);
    const document = annotations('').replace('[]', `[${rows.join(',')}]`);
    for (const text of [document, `\ufeff${document.replaceAll('NaN', '2')}`]) {
      const file = await put('a.json', text);
      const { splits } = await prepared({
        p: { source: 'coco-captions', annotations: file, images: at('i'), ...none },
      });
      expect(splits['train']).toEqual([
        { id: '0.svg', texts: ['caption 1'] },
        { id: '1.svg', texts: ['caption 2'] },
      ]);
    }
  });

  it('lines with NaN are read, too; a text that is NaN is none', async () => {
    await images('i', 3);
    const file = await put(
      'rows.jsonl',
      '{"image":"0.svg","text":"NaN is a word","score":NaN}\n{"image":"1.svg","text":NaN}\n{"image":"2.svg","text":"two","area":-Infinity}\n',
    );
    const { splits, quarantine } = await prepared({ p: { source: 'jsonl', file, root: at('i'), ...none } });
    expect(texts(splits['train'])).toEqual([['nan is a word'], ['two']]);
    expect(quarantine).toEqual({ 'no-caption': 1 });
  });
});

describe('archives', () => {
  it('of macOS, compressed under any name, without an end', async () => {
    const members = [0, 1, 2].flatMap((n) => [
      tarMember(`._000${n}.svg`, Buffer.from('Mac OS X')),
      tarMember(`000${n}.svg`, Buffer.from(image(n))),
      tarMember(`._000${n}.txt`, Buffer.from('Mac OS X')),
      tarMember(`000${n}.txt`, Buffer.from(`image ${n}`)),
    ]);
    const whole = Buffer.concat([...members, tarEnd]);
    const files: [string, Uint8Array, string][] = [
      ['mac.tar', whole, ''],
      ['shard.tgz', gzipSync(whole), ''],
      ['odd.bin', gzipSync(whole), ''],
      ['noend.tar', Buffer.concat(members), 'without an end marker: read to there, members may be missing'],
    ];
    for (const [name, bytes, note] of files) {
      const { splits, quarantine, log } = await prepared({
        p: { source: 'webdataset', files: [await put(name, bytes)], ...none },
      });
      expect(splits['train']).toEqual(
        [0, 1, 2].map((n) => ({ id: `${name}/000${n}`, texts: [`image ${n}`] })),
      );
      expect(quarantine).toEqual({});
      expect(log.join('\n')).toContain(note);
    }
  });
});
