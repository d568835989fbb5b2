/** Files as systems, programs for tables and tools for images leave them, through the command line. */
import { mkdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { tarEnd, tarMember } from '../packages/datasets/test/support/tar-writer.ts';
import { ids, labels, none, image, texts, useOwnData } from './own-data.ts';

const { at, put, prepared, refused } = useOwnData();

const images = async (folder: string, count: number): Promise<void> => {
  for (let n = 0; n < count; n += 1) await put(`${folder}/${n}.svg`, image(n));
};
const latin = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('tables of other programs', () => {
  const table = async (content: string | Uint8Array, more: object = {}) => ({
    p: {
      source: 'captions-csv',
      file: await put('t.csv', content),
      images: at('i'),
      ...none,
      ...more,
    },
  });

  it.each([
    [
      'a mark, semicolons and the line that names them',
      '\ufeffsep=;\r\nimage;caption\r\n0.svg;caf\u00e9\r\n1.svg;"a; b"\r\n',
    ],
    ['blank columns and rows', 'image;caption;;\r\n0.svg;caf\u00e9;;\r\n1.svg;"a; b";\r\n;;;\r\n ;;;\r\n'],
    ['a delimiter behind each row', 'image,caption\n0.svg,caf\u00e9,\n1.svg,a; b,,\n'],
    ['columns without name', 'image,caption,,\n0.svg,caf\u00e9\n1.svg,a; b,,\n'],
    ['tabs and line ends of Windows', 'image\tcaption\r\n0.svg\tcaf\u00e9\r\n1.svg\ta; b\r\n'],
    ['an index in front', ',image,caption\n0,0.svg,caf\u00e9\n1,1.svg,a; b\n'],
    ['other letter case', 'Image,CAPTION\n0.SVG,caf\u00e9\n1.Svg,a; b\n'],
  ])('have %s', async (_, content) => {
    await images('i', 2);
    const { splits, quarantine } = await prepared(await table(content));
    expect([splits['train'], quarantine]).toEqual([
      [
        { id: '0.svg', texts: ['caf\u00e9'] },
        { id: '1.svg', texts: ['a; b'] },
      ],
      {},
    ]);
  });

  it('are refused in the encoding of Windows, but for a damaged line or two of many', async () => {
    await images('i', 3);
    const windows = latin('image;caption\r\n0.svg;caf\u00e9\r\n1.svg;na\u00efve\r\n2.svg;plain\r\n');
    expect(await refused(await table(windows))).toContain(
      'expected UTF-8 text, got 2 of 4 lines in another encoding, such as that of Windows; save it as UTF-8 (Excel: "CSV UTF-8"; iconv -f WINDOWS-1252 -t UTF-8)',
    );
    const lines = latin('{"image":"0.svg","text":"caf\u00e9"}\n{"image":"1.svg","text":"na\u00efve"}\n');
    const file = await put('rows.jsonl', lines);
    expect(await refused({ p: { source: 'jsonl', file, root: at('i'), ...none } })).toContain(
      'got 2 of 2 lines in another encoding',
    );
    const { splits, quarantine } = await prepared(
      await table(latin('image,caption\n0.svg,caf\u00e9\n1.svg,one\n2.svg,two\n')),
    );
    expect([ids(splits['train']), quarantine]).toEqual([['1.svg', '2.svg'], { 'invalid-utf8': 1 }]);
  });

  it.each([
    ['book.xlsx', 'PK\u0003\u0004', 'got a workbook; save its sheet as CSV UTF-8'],
    [
      't.parquet',
      'PAR1',
      'got Parquet; read it with the source parquet, or write it as CSV or JSON lines (pandas: to_csv, to_json(',
      'got one that ends before its footer; fetch or write it again',
    ],
    ['data.arrow', 'ARROW1', 'got Arrow; write it as CSV or JSON lines'],
    ['t.csv.zip', 'PK\u0003\u0004', 'got zip; unpack it first (unzip t.csv.zip)'],
  ])('that are no text are named: %s', async (name, head, message, ofTable = message) => {
    const file = await put(name, `${head}${'x'.repeat(20)}`);
    await images('i', 1);
    expect(await refused({ p: { source: 'captions-csv', file, images: at('i') } })).toContain(ofTable);
    expect(await refused({ p: { source: 'jsonl', file, root: at('i') } })).toContain(message);
  });

  it('call their columns by any of the usual names; an id of a line names no file', async () => {
    await images('i', 2);
    for (const [image, caption] of [
      ['filepath', 'title'],
      ['image_id', 'alt_text'],
      ['IMG', 'prompt'],
    ] as const) {
      const { splits } = await prepared(await table(`${image},${caption}\n0.svg,one\n1.svg,two\n`));
      expect(texts(splits['train'])).toEqual([['one'], ['two']]);
    }
    const file = await put(
      'rows.jsonl',
      '{"id":"7","filepath":"0.svg","sentences":[{"raw":"one"},{"raw":"again"}]}\n{"id":"1.svg","text":"two"}\n',
    );
    const { splits, quarantine } = await prepared({ p: { source: 'jsonl', file, root: at('i'), ...none } });
    expect([splits['train'], quarantine]).toEqual([
      [{ id: '7', texts: ['one', 'again'] }],
      { 'no-image': 1 },
    ]);
  });

  it('that have more cells than columns are told what to quote', async () => {
    await images('i', 2);
    expect(await refused(await table('image,caption\n0.svg,a dog, running\n1.svg,a, b\n'))).toContain(
      '(first: line 2: expected 2 fields, got 3; quote cells that hold ",")',
    );
  });

  it('name images by what stands in front of names, escapes, and numbers of floating-point columns', async () => {
    await images('i/up', 3);
    await put('i/my pic.svg', image(9));
    await put('i/100%25.svg', image(10));
    const names = [
      'https://example.org/photos/up/0.svg',
      'https://example.org/photos/up%2F1.svg',
      'my%20pic.svg',
      '100%25.svg',
      'up/2.0',
      'https://elsewhere.org/up/0.svg',
      '..%2F..%2Fetc%2Fpasswd',
      `data:image/png;base64,${'A'.repeat(5000)}`,
    ];
    const content = ['image,caption', ...names.map((name, n) => `"${name}",caption ${n}`)].join('\n');
    const { splits, quarantine } = await prepared(
      await table(content, { prefix: 'https://example.org/photos/' }),
    );
    expect(ids(splits['train'])).toEqual(['up/0.svg', 'up/1.svg', 'my pic.svg', '100%25.svg', 'up/2.svg']);
    expect(quarantine).toEqual({ 'inline-image': 1, 'missing-file': 1, 'remote-image': 1 });
    expect(await refused(await table('image,caption\n../other/0.svg,one\n'))).toContain(
      '(first: ../other/0.svg: expected a path inside the image folder; give the folder that holds all images, and as prefix what names have in front of their path in it)',
    );
    const { splits: parent } = await prepared(
      await table('image,caption\n../i/up/0.svg,one\n', { images: at('.'), prefix: '../' }),
    );
    expect(ids(parent['train'])).toEqual(['i/up/0.svg']);
  });

  it('keep labels as they are written: NA, null, true, 01 beside 1', async () => {
    const written = ['NA', 'null', 'true', 'None', 'nan', '01', '1', '-', '\u{1F600}', 'a/b', '.net', ''];
    await images('i', written.length);
    const file = await put(
      'labels.csv',
      ['image,label', ...written.map((label, n) => `${n}.svg,${label}`)].join('\n'),
    );
    const { splits, quarantine } = await prepared({
      p: { source: 'labelled-table', file, images: at('i'), ...none },
    });
    expect(labels(splits['train'])).toEqual(written.slice(0, -1));
    expect(quarantine).toEqual({ 'no-label': 1 });
  });

  it('of Label Studio are read by the names of their columns, as CSV and as lines of its JSON', async () => {
    await images('media/upload/1', 2);
    const rows = ['cat', 'dog'].map((choice, n) => ({ image: `/data/upload/1/${n}.svg`, id: n + 1, choice }));
    const file = await put(
      'export.csv',
      ['id,image,choice', ...rows.map(({ id, image, choice }) => `${id},${image},${choice}`)].join('\n'),
    );
    const shared = { labelColumn: 'choice', prefix: '/data/', ...none };
    const csv = await prepared({ p: { source: 'labelled-table', file, images: at('media'), ...shared } });
    expect([csv.classes, labels(csv.splits['train'])]).toEqual([
      ['cat', 'dog'],
      ['cat', 'dog'],
    ]);
    const list = await put('export.json', JSON.stringify(rows));
    const lines = { source: 'jsonl', root: at('media'), kind: 'labelled-image', ...shared };
    expect(await refused({ p: { ...lines, file: list } })).toContain(
      "got a JSON list; write each object on a line of its own (jq -c '.[]')",
    );
    const written = await put('export.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'));
    expect(labels((await prepared({ p: { ...lines, file: written } })).splits['train'])).toEqual([
      'cat',
      'dog',
    ]);
  });

  it('of lines say what is wrong with all of them', async () => {
    await images('i', 2);
    const source = { source: 'jsonl', root: at('i'), ...none };
    const comma = await put('a.jsonl', '{"image":"0.svg","text":"a"},\n{"image":"1.svg","text":"b"},\n');
    expect(await refused({ p: { ...source, file: comma } })).toMatch(
      /bad-json 2.*got a comma .*; leave it out/u,
    );
    const python = await put('b.jsonl', "{'image': '0.svg', 'text': 'a'}\n");
    expect(await refused({ p: { ...source, file: python } })).toContain(
      'write it as JSON (Python: json.dumps, not str)',
    );
    const other = await put('c.jsonl', '{"img_url":"0.svg","words":"a dog"}\n');
    expect(await refused({ p: { ...source, file: other } })).toContain(
      'name them by imageColumn and captionColumn',
    );
    const { splits } = await prepared({
      p: { ...source, file: other, imageColumn: 'img_url', captionColumn: 'words' },
    });
    expect(splits['train']).toEqual([{ id: '0.svg', texts: ['a dog'] }]);
  });
});

describe('folders', () => {
  const folder = (more: object = {}) => ({ p: { source: 'image-folder', path: at('f'), ...none, ...more } });

  it('hold what systems leave behind, and say of classes that begin with a dot', async () => {
    await put('f/cat/a.svg', image(1));
    await put('f/dog/b.svg', image(2));
    for (const junk of [
      ...['__MACOSX/cat/._a.svg', '.DS_Store', 'cat/Thumbs.db', 'dog/desktop.ini', 'cat/@eaDir/a.svg/x.jpg'],
      ...['@eaDir/x.jpg', 'cat/.ipynb_checkpoints/a.svg', '.ipynb_checkpoints/a.svg', 'cat/Icon\r'],
      ...[
        'lost+found/x',
        '#recycle/a.svg',
        '$RECYCLE.BIN/a.svg',
        'cat/a.svg:Zone.Identifier',
        'dog/Picasa.ini',
      ],
    ])
      await put(`f/${junk}`, image(3));
    expect(await prepared(folder())).toMatchObject({ classes: ['cat', 'dog'], quarantine: {} });
    await put('f/.net/c.svg', image(4));
    expect((await prepared(folder(), '--force')).log.join('\n')).toContain(
      'sources.p: .net is passed over with its images, since its name begins with a dot: rename it if it is a class',
    );
  });

  it.each([
    ['01_train', '02_val', '03_test'],
    ['train_images', 'val_images', 'test_images'],
    ['training_set', 'dev-set', 'Test set'],
    ['trainset', 'valset', 'testset'],
    ['train', 'validation', 'eval'],
  ])('name splits as %s, %s, %s', async (...names) => {
    for (const [n, name] of names.entries()) {
      await put(`f/${name}/cat/1.svg`, image(2 * n));
      await put(`f/${name}/dog/1.svg`, image(2 * n + 1));
      await put(`s/${name}/1.svg`, image(n));
      await put(`s/${name}/1.txt`, `in ${name}`);
    }
    const { splits, classes } = await prepared(folder());
    expect([classes, Object.keys(splits)]).toEqual([
      ['cat', 'dog'],
      ['train', 'validation', 'test'],
    ]);
    const captions = await prepared({ p: { source: 'sidecar-captions', path: at('s') } });
    expect(Object.values(captions.splits).map((rows) => texts(rows)[0]?.[0])).toEqual(
      names.map((name) => `in ${name.toLowerCase()}`),
    );
  });

  it('of two names of one split are told of; classes of signs that hold a split are classes', async () => {
    for (const [n, name] of ['train', 'test_public', 'test_private'].entries())
      await put(`f/${name}/cat/1.svg`, image(n));
    expect((await prepared(folder())).log.join('\n')).toContain(
      'test_private and test_public are both read as test',
    );
    await put('g/dev-board/1.svg', image(1));
    await put('g/test_tube/1.svg', image(2));
    expect((await prepared({ p: { source: 'image-folder', path: at('g'), ...none } })).classes).toEqual([
      'dev board',
      'test tube',
    ]);
  });

  it.each([
    [['flowers/rose/a.svg', 'flowers/tulip/b.svg'], 'as flowers/rose/a.svg; give the folder '],
    [['cat/train/a.svg', 'cat/test/b.svg', 'dog/train/c.svg'], 'put the classes into the splits (test/cat)'],
    [['cat/images/a.svg', 'dog/images/b.svg'], 'move the images up into the folders of their classes'],
    [['north/cat/a.svg', 'south/dog/b.svg'], 'where north, south are splits, make each of them a source'],
    [
      ['train/a.svg', 'train/metadata.csv', 'test/b.svg'],
      'got the table train/metadata.csv of what the images beside it show; read the folder with the source image-metadata',
    ],
  ])('that are one folder off are told how to read them: %s', async (files, message) => {
    for (const [n, file] of files.entries()) await put(`f/${file}`, image(n));
    expect(await refused(folder())).toContain(message);
  });

  it('of one class in two Unicode forms, and of classes that a setting joins', async () => {
    await put('f/train/cafe\u0301/1.svg', image(1));
    await put('f/train/tea/1.svg', image(2));
    await put('f/test/caf\u00e9/1.svg', image(3));
    const { classes, splits } = await prepared(folder());
    expect([classes, labels(splits['test'])]).toEqual([['caf\u00e9', 'tea'], ['caf\u00e9']]);
    await put('g/Cat/1.svg', image(1));
    await put('g/cat/1.svg', image(2));
    await put('g/emu/1.svg', image(3));
    const two = { p: { source: 'image-folder', path: at('g'), ...none } };
    expect(await refused(two)).toContain(
      'got "Cat" and "cat", which read the same; give other names, or both the same one to make one class of them (classNames',
    );
    const joined = await prepared({ p: { ...two.p, classNames: { Cat: 'cat', cat: 'cat' } } });
    expect([joined.classes, labels(joined.splits['train'])]).toEqual([
      ['cat', 'emu'],
      ['cat', 'cat', 'emu'],
    ]);
  });

  it('hold images of formats that are not read, which are named', async () => {
    await put('f/cat/a.svg', image(1));
    for (const name of ['f/cat/b.HEIC', 'f/cat/c.bmp', 'f/cat/notes.txt']) await put(name, 'x');
    const { quarantine } = await prepared(folder());
    expect(quarantine).toEqual({ 'not-an-image': 1, 'image-format': 2 });
    await put('g/cat/b.bmp', 'x');
    expect(await refused({ p: { source: 'image-folder', path: at('g') } })).toContain(
      '(first: cat/b.bmp: expected an image as PNG, JPEG, WebP, GIF, AVIF, TIFF or SVG, got .bmp; convert it',
    );
  });

  it('of a class without image, and of one class alone', async () => {
    await put('f/cat/1.svg', image(1));
    expect((await prepared(folder())).classes).toEqual(['cat']);
    await mkdir(at('f/dog'));
    const { classes, log } = await prepared(folder(), '--force');
    expect([classes, log.join('\n').includes('1 of 2 classes have no training sample: ["dog"]')]).toEqual([
      ['cat', 'dog'],
      true,
    ]);
  });
});

describe('equal images with different labels', () => {
  it('are told of, across folders, splits and sources, and recorded', async () => {
    await put('f/cat/a.svg', image(1));
    await put('f/dog/b.svg', image(1));
    await put('f/dog/c.svg', image(2));
    await put('i/d.svg', image(2));
    const file = await put('t.csv', 'image,label\nd.svg,cat\n');
    const { labelConflicts, log } = await prepared({
      p: { source: 'image-folder', path: at('f'), ...none },
      q: { source: 'labelled-table', file, images: at('i'), dataset: 'p', split: 'test' },
    });
    expect(labelConflicts).toEqual({ rows: 2, example: ['cat/a.svg', 'dog/b.svg'], labels: ['cat', 'dog'] });
    expect(log.join('\n')).toContain(
      'prepare p: 2 samples show the same as another one that has another label, such as cat/a.svg (cat) and dog/b.svg (dog): one of them is wrong',
    );
  });

  it('are told of in texts, but not in pairs, whose order may matter', async () => {
    const file = await put('t.tsv', 'a\tb\tlabel\nA dog.\tA cat.\t0\nA cat.\tA dog.\t1\nA  DOG.\tx\t1\n');
    const source = { source: 'labelled-tsv', file, labelColumn: 'label', ...none };
    expect((await prepared({ p: { ...source, textColumns: ['a'] } })).labelConflicts).toEqual({
      rows: 1,
      example: ['line 2', 'line 4'],
      labels: ['0', '1'],
    });
    expect((await prepared({ p: { ...source, textColumns: ['a', 'b'] } })).labelConflicts).toBeUndefined();
  });
});

describe('labels', () => {
  it('have the words that a setting gives them, and are joined by it', async () => {
    await images('i', 4);
    const file = await put('t.csv', 'image,label\n0.svg,C\n1.svg,C#\n2.svg,c\n3.svg,ant\n');
    const source = { source: 'labelled-table', file, images: at('i'), ...none };
    expect(await refused({ p: source })).toContain('which read the same; give other names');
    const { classes, splits, log } = await prepared({
      p: { ...source, classNames: { 'C#': 'c sharp', c: 'c', C: 'c', cobol: 'x' } },
    });
    expect([classes, labels(splits['train'])]).toEqual([
      ['c', 'c sharp', 'ant'],
      ['c', 'c sharp', 'c', 'ant'],
    ]);
    expect(log.join('\n')).toContain('classNames names labels that are not there: ["cobol"]');
  });

  it('are the categories of COCO, where an image has one', async () => {
    await images('i', 4);
    const document = {
      images: [0, 1, 2, 3].map((id) => ({ id, file_name: `${id}.svg` })),
      categories: [
        { id: 0, name: 'animals' },
        { id: 1, name: 'zebra' },
        { id: 2, name: 'ant' },
      ],
      annotations: [
        [0, 1],
        [0, 1],
        [1, 2],
        [2, 1],
        [2, 2],
      ].map(([image_id, category_id], id) => ({ id, image_id, category_id, bbox: [0, 0, 1, 1] })),
    };
    const annotations = await put('a.json', JSON.stringify(document));
    expect(
      await refused({ p: { source: 'coco-captions', annotations, images: at('i'), ...none } }),
    ).toContain('categories are read as labels of images with the kind labelled-image');
    const { classes, splits, quarantine } = await prepared({
      p: { source: 'coco-captions', annotations, images: at('i'), kind: 'labelled-image', ...none },
    });
    expect([classes, labels(splits['train']), quarantine]).toEqual([
      ['ant', 'zebra'],
      ['zebra', 'ant'],
      { 'no-label': 1, 'several-labels': 1 },
    ]);
  });
});

describe('names of archives', () => {
  it('stand for many in braces, by stars and as a folder; addresses are refused', async () => {
    for (const [n, name] of ['train-00.tar', 'train-01.tar', 'test-00.tar'].entries()) {
      const members = [
        tarMember('./', new Uint8Array(0), { type: '5' }),
        tarMember('./a/0.svg', Buffer.from(image(n))),
        tarMember('./a/0.txt', Buffer.from(`image ${n}`)),
      ];
      await put(name, Buffer.concat([...members, tarEnd]));
    }
    const files = [at('train-{00..01}.tar'), at('{test,test}-00.tar')];
    const source = { source: 'webdataset', ...none };
    const { splits } = await prepared({ p: { ...source, files: [files[0], at('test-{00..00}.tar')] } });
    expect([ids(splits['train']), ids(splits['test'])]).toEqual([
      ['train-00.tar/a/0', 'train-01.tar/a/0'],
      ['test-00.tar/a/0'],
    ]);
    for (const names of [[at('t*.tar')], [at('.')], [at('train-0?.tar'), at('test-[0-9]*.tar')]]) {
      const suite = await prepared({ p: { ...source, files: names } });
      expect(ids(suite.splits['train'])).toEqual(['train-00.tar/a/0', 'train-01.tar/a/0']);
      expect(ids(suite.splits['test'])).toEqual(['test-00.tar/a/0']);
    }
    expect(await refused({ p: { ...source, files: [at('x*.tar')] } })).toMatch(
      /WebDataset: expected files that match ".*x\*\.tar", got none; give another path or pattern/u,
    );
    expect(await refused({ p: { ...source, files: [files[1]] } })).toContain('expected each archive once');
    for (const file of ['https://example.org/train-00.tar?x=1', 'pipe:cat train-*.tar'])
      expect(await refused({ p: { ...source, files: [file] } })).toContain(
        'fetch archives first, and write many as shard-{000..127}.tar',
      );
    expect(await refused({ p: { ...source, files: ['x-{0..999999}.tar'] } })).toContain(
      'expected at most 100000 names, got more by "x-{0..999999}.tar"',
    );
  });
});
