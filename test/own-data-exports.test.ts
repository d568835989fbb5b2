/** What other programs export, as they call and write it: read as what it is, or refused with what it is. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixtures } from './foreign/prepared-rows.ts';
import { ids, image, labels, none, readPrepared, texts, useOwnData } from './own-data.ts';
import { polygate } from './polygate.ts';
import { tarEnd, tarMember } from '../packages/datasets/test/support/tar-writer.ts';

const data = useOwnData();
const { at, prepared, put } = data;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** `--from` a file, without drawn splits of the source, which is called as the file is. */
const from = async (path: string, ...more: string[]) => {
  const name = path.replace(/\..*$/u, '');
  const shares = ['validationPercent', 'testPercent'].flatMap((each) => [
    '--set',
    `sources.${name}.${each}=0`,
  ]);
  return polygate(
    'prepare',
    '--from',
    at(path),
    '--out',
    at('data'),
    '--set',
    'image.size=8',
    ...shares,
    ...more,
  );
};
const rowsOf = async (path: string, ...more: string[]) => {
  const { code, log } = await from(path, ...more);
  expect([code, log]).toEqual([0, expect.any(String)]);
  return readPrepared(at(`data/${path.replace(/\..*$/u, '')}`), [log]);
};
const images = async (folder: string, count: number): Promise<void> => {
  for (const n of numbers(count)) await put(`${folder}/${n}.svg`, image(n));
};

describe('tables whose columns are called otherwise', () => {
  it('name images in a column that holds nothing else, whatever it is called', async () => {
    await images('img', 6);
    const rows = numbers(6).map(
      (n) => `${n},${n}.svg,${n % 2 === 0 ? 'cat' : 'dog'},${n > 4 ? 'True' : 'False'}`,
    );
    await put('fast.csv', `,fname,label,is_valid\n${rows.join('\n')}`);
    const { splits, classes } = await rowsOf('fast.csv');
    expect(classes).toEqual(['cat', 'dog']);
    expect(labels(splits['train'])).toEqual(['cat', 'dog', 'cat', 'dog', 'cat', 'dog']);
    await put(
      'de.csv',
      `Datei;Klasse\n${numbers(6)
        .map((n) => `${n}.svg;${n % 2}`)
        .join('\n')}`,
    );
    expect((await from('de.csv')).log).toContain(
      'labelled-table (de.csv: names of images in Datei, but no column of labels is called so (label, labels, class, class_name ...); say which: --reader labelled-table --set sources.de.labelColumn=Klasse)',
    );
    const told = ['--reader', 'labelled-table', '--set', 'sources.de.labelColumn=Klasse'];
    expect((await rowsOf('de.csv', ...told)).classes).toEqual(['0', '1']);
  });

  it('name images by paths of another machine', async () => {
    await images('img/cat', 4);
    for (const [name, prefix] of [
      ['win', 'C:\\Users\\me\\img\\'],
      ['unix', '/content/drive/img/'],
    ] as const) {
      const slash = prefix.includes('\\') ? '\\' : '/';
      const rows = numbers(4).map((n) => `${prefix}cat${slash}${n}.svg,${n % 2}`);
      await put(`${name}.csv`, `path,label\n${rows.join('\n')}`);
      expect(ids((await rowsOf(`${name}.csv`)).splits['train'])).toEqual(
        numbers(4).map((n) => `img/cat/${n}.svg`),
      );
    }
  });

  it('have splits in words such as "Training Set"', async () => {
    await images('img', 6);
    const split = ['Training Set', 'Validation set', 'TEST_DATA'];
    await put(
      's.csv',
      `image,label,split\n${numbers(6)
        .map((n) => `${n}.svg,${n % 2},${split[n % 3]}`)
        .join('\n')}`,
    );
    const { splits } = await rowsOf('s.csv');
    expect(Object.entries(splits).map(([name, rows]) => [name, ids(rows)])).toEqual([
      ['train', ['img/0.svg', 'img/3.svg'].map((id) => id.slice(4))],
      ['validation', ['1.svg', '4.svg']],
      ['test', ['2.svg', '5.svg']],
    ]);
  });

  it('are asked whether classes of one sample each are classes', async () => {
    await images('img', 9);
    await put(
      'n.csv',
      `image,label\n${numbers(9)
        .map((n) => `${n}.svg,${n * 1.25}`)
        .join('\n')}`,
    );
    expect((await rowsOf('n.csv')).log.join('')).toContain(
      'prepare n: 9 of 9 classes have one sample each, such as ["0","1.25","10"]: where the labels are numbers',
    );
  });
});

describe('captions of tables', () => {
  it('are those of a list in a cell, as JSON and Python write it', async () => {
    await images('img', 5);
    const cells = [
      `"[""A man."", ""She says \\""no\\"".""]"`,
      `"['a thing', ""it's one""]"`,
      '"[1, 2]"',
      '"[""open"", "',
      `"['one', '']"`,
    ];
    await put('c.csv', `image,raw\n${cells.map((cell, n) => `${n}.svg,${cell}`).join('\n')}`);
    expect(texts((await rowsOf('c.csv')).splits['train'])).toEqual([
      ['a man.', 'she says "no".'],
      ['a thing', "it's one"],
      ['[1, 2]'],
      ['["open",'],
      ['one'],
    ]);
  });

  it('are none where R, pandas or a database wrote that there is none', async () => {
    await images('img', 6);
    const cells = ['NA', 'NaN', 'None', '\\N', 'none of them', 'a man'];
    await put(
      'r.csv',
      `"","image","caption"\n${cells.map((cell, n) => `"${n}","${n}.svg",${cell}`).join('\n')}`,
    );
    const { splits, quarantine } = await rowsOf('r.csv');
    expect(texts(splits['train'])).toEqual([['none of them'], ['a man']]);
    expect(quarantine).toEqual({ 'empty-caption': 4 });
  });
});

describe('JSON lines and Parquet files', () => {
  it('hold texts with labels, which stay', async () => {
    const rows = numbers(6).map((n) =>
      JSON.stringify({ text: `film ${n}`, label: [-1, 0, 1][n % 3], split: n < 4 ? 'train' : 'test' }),
    );
    await put('t.jsonl', rows.join('\n'));
    const { splits, classes, log } = await rowsOf('t.jsonl');
    expect(classes).toEqual(['-1', '0', '1']);
    expect(labels(splits['train'])).toEqual(['-1', '0', '1', '-1']);
    expect(texts(splits['test'])).toEqual([['film 4'], ['film 5']]);
    expect(log.join('')).toContain('-1 in column "label" is a class, since other labels stand beside it');
    // Where classes are a list, -1 is none of them.
    const source = { source: 'jsonl', kind: 'labelled-text', file: at('t.jsonl'), classes: ['bad', 'good'] };
    const listed = await prepared({ p: { ...source, ...none } });
    expect([labels(listed.splits['train']), listed.quarantine]).toEqual([['bad', 'good'], { 'no-label': 2 }]);
  });

  it('are not read as texts where they name images', async () => {
    await images('img', 3);
    const parquet = join(fixtures, 'exports/named-captions.parquet');
    await put('p.parquet', readFileSync(parquet));
    const { splits } = await rowsOf('p.parquet');
    expect(texts(splits['train'])).toEqual([
      ['a man 0', 'one 0'],
      ['a man 1', 'one 1'],
      ['a man 2', 'one 2'],
    ]);
    await put('alone/q.parquet', readFileSync(parquet));
    expect((await polygate('prepare', '--from', at('alone/q.parquet'), '--out', at('data'))).log).toContain(
      'q.parquet names images in image, such as 0.svg, which are not there: give the folder that holds both',
    );
  });
});

describe('annotations of boxes', () => {
  it('are neither captions nor texts of a class', async () => {
    for (const n of numbers(4)) {
      await put(`yolo/images/${n}.svg`, image(n));
      await put(`yolo/labels/${n}.txt`, '0 0.5 0.5 0.25 0.25\n');
      await put(`beside/${n}.svg`, image(n));
      await put(`beside/${n}.txt`, n === 1 ? '' : '0 0.5 0.5 0.25 0.25\n1 1e-1 0.5 0.25 0.25\n');
    }
    expect((await from('yolo')).log).toContain(
      'text-folder (texts in labels alone, and other files beside it',
    );
    expect((await from('beside')).log).toContain('they hold numbers alone, as the boxes of YOLO are');
  });
});

describe('files that no reader knows', () => {
  const files: readonly (readonly [string, string | Uint8Array, string])[] = [
    ['u.csv', Buffer.from('\uFEFFimage,label\n', 'utf16le'), 'is text in UTF-16: save it as UTF-8'],
    [
      'l.csv',
      Buffer.from('texte,note\ncaf\xe9,1\n', 'latin1'),
      'is text in another encoding than UTF-8: iconv',
    ],
    ['x.xlsx', Buffer.from('PK\x03\x04'), 'is a workbook of Excel: save the sheet as CSV UTF-8'],
    ['b.csv.bz2', Buffer.from('BZh91AY'), 'is compressed by bzip2: unpack it (bunzip2)'],
    [
      'm.json',
      '[\n{"image": "a.png"}]',
      "is a JSON list, not one object a line: write each object on a line of its own: jq -c '.[]'",
    ],
    [
      'o.json',
      '{"columns": ["a"], "data": []}',
      'is one JSON object over the whole file, of no layout that is read',
    ],
    ['a.xml', '<annotation/>', 'is XML: export CSV, COCO or a folder for each class instead'],
    ['h.csv', 'image,label\n', 'has one line: a header, and no row below it'],
    [
      'w.csv',
      'image,caption_0\n0.png,a\n1.png,b\n',
      'has the columns ["image","caption_0"], which none of the usual names fit',
    ],
    [
      'c.csv',
      '# made by me\nimage,label\n0.png,a\n',
      'is no table of text whose lines have as many cells as the first',
    ],
    ['k', Uint8Array.of(0x80, 4, 0x7d), 'is a pickle of Python'],
  ];
  it.each(files)('are called what they are: %s', async (name, content, said) => {
    await put(name, content);
    const { code, log } = await from(name);
    expect([code, log]).toEqual([2, expect.stringContaining(`${name} ${said}`)]);
    expect(log).not.toContain('readers need');
  });
});

describe('a split of which nothing is left', () => {
  it('is told of, with the cause in the list', async () => {
    const members = numbers(20).flatMap((n) => [
      tarMember(`a/b.${n}.svg`, Buffer.from(image(n))),
      tarMember(`a/b.${n}.cls`, Buffer.from(`${n % 2}`)),
    ]);
    await put('w/train-0.tar', Buffer.concat([...members, tarEnd]));
    const good = [tarMember('v.svg', Buffer.from(image(99))), tarMember('v.cls', Buffer.from('1'))];
    await put('w/val-0.tar', Buffer.concat([...good, tarEnd]));
    const { log, quarantine } = await rowsOf('w');
    expect(log.join('')).toContain(
      'prepare w: the source names the split train, of which no sample is left, so nothing can be trained on it: quarantine.jsonl says why',
    );
    expect(quarantine).toEqual({ 'too-many-members': 1 });
  });
});
