import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCaptionsCsv } from '../readers/captions-csv.ts';
import { openLabelledTsv, type LabelledTsvOptions } from '../readers/labelled-tsv.ts';
import type { Reader } from '../samples/sample.ts';
import { openTable, type TableOptions, type WantedColumn } from './table.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-table-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const file = async (name: string, content: string | Uint8Array): Promise<string> => {
  const path = join(root, name);
  await writeFile(path, content);
  return path;
};

const wanted: readonly WantedColumn[] = [
  { role: 'image', option: 'imageColumn', given: undefined, usual: ['image', 'file'], position: 0 },
  { role: 'caption', option: 'captionColumn', given: undefined, usual: ['caption'], position: -1 },
];

const rows = async (content: string | Uint8Array, options: TableOptions = {}): Promise<unknown[]> => {
  const table = await openTable(await file('t', content), options, wanted);
  const order = wanted.map((column) => table.column(column));
  const out: unknown[] = [];
  for await (const item of table.rows()) {
    out.push(item.kind === 'record' ? order.map((index) => item.fields[index]) : item.code);
  }
  return out;
};

const texts = async (reader: Reader): Promise<unknown[]> => {
  const out: unknown[] = [];
  for await (const item of reader.read()) out.push(item.kind === 'sample' ? item.texts : item.code);
  return out;
};

const pandasTsv = 'sentence\tlabel\n"a ""grey"" cat"\t0\nplain\t1\n"two\nlines"\t0\n';
const flickrTsv =
  'image\tcaption\n0.png\ta disc\n1.png\t"Stop" reads the sign\n2.png\t"hello there\n3.png\ta sign that says "open"\n4.png\t"all of it"\n';

describe('the layout of a table', () => {
  it('is found by the columns that are wanted, whatever else the header holds', async () => {
    for (const text of [
      'image,caption\na,b\n',
      'image\tcaption\na\tb\n',
      'image;caption\na;b\n',
      'image| comment| caption\na| 0|b\n',
      '"caption","image, or image","file"\n"b","x","a"\n',
      '\uFEFF"image","caption"\r\n"a","b"\r\n',
      ' Image , CAPTION \na,b',
      'image,caption\ra,b\r',
      'caption\tnote, long; or | short\tfile\nb\tx\ta\n',
    ]) {
      expect([text, await rows(text)]).toEqual([text, [['a', 'b']]]);
    }
    expect(await rows(gzipSync('image,caption\na,b\n'))).toEqual([['a', 'b']]);
  });

  it('without names is counted from 0', async () => {
    expect(await rows('a.png\tone, two\nb.png\tthree\n', { header: false })).toEqual([
      ['a.png', 'one, two'],
      ['b.png', 'three'],
    ]);
    await expect(rows('a.png#0\tone\na.png#1\ttwo\n')).rejects.toThrow(
      'expected the image column to be named "image" or "file", got the columns "a.png#0", "one"; this looks like a row: if the file has no header line, set header to false and imageColumn to an index from 0',
    );
    const table = await openTable(await file('n', 'a,b\n'), { header: false }, wanted);
    const column = (given: string | number) => table.column({ role: 'x', option: 'xColumn', given });
    expect([column(0), column('1')]).toEqual([0, 1]);
    expect(() => column(2)).toThrow('named 2, got 2 columns without names, counted from 0; set xColumn');
  });

  it('takes a name before an index, and refuses a name that is there twice', async () => {
    const table = await openTable(await file('y', '2024,x,2\n1,2,3\n'), { delimiter: ',' }, []);
    const column = (given: string | number) => table.column({ role: 'x', option: 'xColumn', given });
    expect([column(2024), column(2), column(1), column('X')]).toEqual([0, 2, 1, 1]);
    await expect(rows('image,caption,caption\na,b,c\n')).rejects.toThrow(
      'expected one caption column, got 2 named "caption" (indices 1, 2); rename one of them or set captionColumn to another',
    );
  });

  it('is not guessed from nothing, other encodings or other containers', async () => {
    await expect(rows('')).rejects.toThrow('expected a header line and rows, got an empty file');
    await expect(rows('\n\n')).rejects.toThrow('got an empty file');
    await expect(rows(Buffer.from('\uFEFFimage,caption\n', 'utf16le'))).rejects.toThrow(
      't: expected UTF-8 text, got UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)',
    );
    await expect(rows(Buffer.from('image,caption\na,b\n', 'utf16le'))).rejects.toThrow('got UTF-16');
    await expect(rows(Buffer.from('imagé,caption\n', 'latin1'))).rejects.toThrow(
      'expected a header line, got a damaged one: line 1: expected UTF-8 text, got other bytes',
    );
    await expect(rows(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0))).rejects.toThrow(
      't: expected a plain or gzip file, got zstd; unpack it first (zstd -d t)',
    );
    await expect(rows(gzipSync('image,caption\na,b\n').subarray(0, 20))).rejects.toThrow(
      't: expected the end of the gzip data, got the end of the file; fetch it again',
    );
  });
});

describe('quotes', () => {
  it('belong to the text of tables with tabs', async () => {
    const actual = await rows(flickrTsv);
    expect(actual).toEqual([
      ['0.png', 'a disc'],
      ['1.png', '"Stop" reads the sign'],
      ['2.png', '"hello there'],
      ['3.png', 'a sign that says "open"'],
      ['4.png', '"all of it"'],
    ]);
    // A quote that is never closed on its line, and one that closes lines later: still text.
    expect(await rows('image\tcaption\na\t"x\nb\ty"\n')).toEqual([
      ['a', '"x'],
      ['b', 'y"'],
    ]);
  });

  it('of a file that looks like the other kind are asked about, by name and line', async () => {
    const tsv = await file('p.tsv', pandasTsv);
    const columns = { file: tsv, textColumns: ['sentence'], labelColumn: 'label' } as const;
    await expect(openLabelledTsv(columns)).rejects.toThrow(
      'expected cells without quotes, as tables with "\\t" have them, got cells quoted as CSV quotes them, first "a \\"grey\\" cat" in line 2; set quotes to "csv", or to "none" if the quotes belong to the text',
    );
    expect(await texts(await openLabelledTsv({ ...columns, quotes: 'csv' }))).toEqual([
      ['a "grey" cat'],
      ['plain'],
      ['two\nlines'],
    ]);
    expect(await texts(await openLabelledTsv({ ...columns, quotes: 'none' }))).toEqual([
      ['"a ""grey"" cat"'],
      ['plain'],
      'field-count',
      ['lines"'],
    ]);
    // Only a line break tells: the file is uneven without quoting, even with it.
    await expect(rows('image\tcaption\na\t"x\ny"\n')).rejects.toThrow('first "x\\ny" in line 2; set quotes');
    await expect(rows('image,caption\n1,"Stop" reads the sign\n2,plain\n')).rejects.toThrow(
      'expected cells quoted as CSV quotes them, got quotes that belong to the text, first in line 2: expected a delimiter after a closing quote, got " "; set quotes to "none", or to "csv" to leave such rows out',
    );
    expect(await rows('image,caption\n1,"Stop" reads\n', { quotes: 'none' })).toEqual([
      ['1', '"Stop" reads'],
    ]);
    expect(await rows('image,caption\n1,"Stop" reads\n', { quotes: 'csv' })).toEqual(['text-after-quote']);
    // One sloppy row among quoted commas is a fault of that row.
    expect(await rows('image,caption\n1,"a, b"\n2,"Stop" reads\n')).toEqual([
      ['1', 'a, b'],
      'text-after-quote',
    ]);
  });
});

describe('captions and labels in tables', () => {
  it('reads the list of Flickr30k, one image for all of its lines', async () => {
    const list = await file(
      'results.token',
      '0.png#0\tone .\n0.png#1\ttwo, too .\n1.png#0\tthree .\nodd#2\tfour\n',
    );
    const reader = await openCaptionsCsv({ file: list, images: root, header: false });
    const items: unknown[] = [];
    for await (const item of reader.read()) if (item.kind === 'sample') items.push([item.id, item.texts]);
    expect(items).toEqual([
      ['0.png', ['one .', 'two, too .']],
      ['1.png', ['three .']],
      ['odd#2', ['four']],
    ]);
  });

  it('refuses labels that no row has, instead of every row', async () => {
    const path = await file('l.tsv', 'text\tlabel\na\t0\nb\t1\n');
    const options = { file: path, textColumns: ['text'], labelColumn: 'label' };
    await expect(openLabelledTsv({ ...options, labels: ['neg', 'pos'] })).rejects.toThrow(
      'expected rows with the labels ["neg","pos"], got none; the column holds ["0","1"]: set labels to its values, or labelColumn to another column',
    );
    expect(await texts(await openLabelledTsv({ ...options, labels: ['1'] }))).toEqual([
      'unknown-label',
      ['b'],
    ]);
  });

  it('finds columns whose names part their words in another way', async () => {
    const content = 'File Paths,Alt-Text\na.png,an ant\n';
    const named = [
      { role: 'image', option: 'imageColumn', given: undefined, usual: ['file_paths'] },
      { role: 'caption', option: 'captionColumn', given: 'alt_text' },
    ];
    const table = await openTable(await file('names', content), {}, named);
    expect(named.map((column) => table.column(column))).toEqual([0, 1]);
  });

  it('of texts and labels find their delimiter; the tab goes first', async () => {
    const open = async (content: string, settings: Partial<LabelledTsvOptions> = {}): Promise<unknown[]> =>
      texts(
        await openLabelledTsv({
          file: await file('labelled', content),
          textColumns: ['review'],
          labelColumn: 'sentiment',
          ...settings,
        }),
      );
    const quoted = 'review,sentiment\n"good, ""really"" | good",pos\nbad,neg\n';
    expect(await open(quoted)).toEqual([['good, "really" | good'], ['bad']]);
    expect(await open('review;sentiment\na, b;pos\n')).toEqual([['a, b']]);
    expect(await open('review\tsentiment\na, b\tpos\n')).toEqual([['a, b']]);
    // CoLA has no header line; a row that lacks a cell does not make it a table of commas.
    const bare = { textColumns: [1], labelColumn: 0, header: false };
    expect(await open('1\ta, b, c, d\n0\n1\te, f\n', bare)).toEqual([
      ['a, b, c, d'],
      'field-count',
      ['e, f'],
    ]);
    expect(await open('1,a\n0,b\n', bare)).toEqual([['a'], ['b']]);
    await expect(open('text,label\na,b\n')).rejects.toThrow(
      'expected the text column to be named "review", got the columns "text", "label"; set textColumns to one of these',
    );
  });
});
