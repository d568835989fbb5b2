import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAll } from '../../test/support/read-all.ts';
import { tarEnd, tarMember } from '../../test/support/tar-writer.ts';
import type { ReaderItem } from '../samples/sample.ts';
import { openCaptionsCsv } from './captions-csv.ts';
import { openCocoCaptions } from './coco-captions.ts';
import { openImageFolder } from './image-folder.ts';
import { openJsonlManifest } from './jsonl-manifest.ts';
import { openLabelledTsv } from './labelled-tsv.ts';
import { openPlainText } from './plain-text.ts';
import { openWebDataset } from './webdataset.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-readers-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const file = async (name: string, content: string | Uint8Array): Promise<string> => {
  const path = join(root, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, content);
  return path;
};

/** The gist of an item: id with code, or id with its texts and label. */
const gist = (items: readonly ReaderItem[]): unknown[] =>
  items.map((item) =>
    item.kind === 'fault' ? [item.id, item.code] : [item.id, ...(item.texts ?? []), item.label],
  );

describe('image folder', () => {
  it('takes class names from folders and reports what does not belong', async () => {
    await file('classes/wild_cat/b.png', '');
    await file('classes/wild_cat/a.JPG', '');
    await file('classes/n02/x.png', '');
    await file('classes/n02/notes.txt', '');
    await file('classes/n02/deep/y.png', '');
    await file('classes/n02/.hidden', '');
    await file('classes/stray.png', '');
    const reader = await openImageFolder({ path: join(root, 'classes'), classNames: { n02: 'dog' } });
    expect(reader.classes).toEqual(['dog', 'wild cat']);
    expect(gist(await readAll(reader))).toEqual([
      ['stray.png', 'outside-class'],
      ['n02/deep', 'nested-folder'],
      ['n02/notes.txt', 'not-an-image'],
      ['n02/x.png', 0],
      ['wild_cat/a.JPG', 1],
      ['wild_cat/b.png', 1],
    ]);
  });

  it('says what to do about a missing folder and one without classes', async () => {
    await file('flat/a.png', '');
    await expect(openImageFolder({ path: join(root, 'none') })).rejects.toThrow(
      `image folder: expected a folder, got nothing at ${join(root, 'none')}; give the path of an existing folder`,
    );
    await expect(openImageFolder({ path: join(root, 'flat') })).rejects.toThrow(
      'expected one folder per class with images in it, got 1 files and no folder; move the images into folders named after their classes, or use captions',
    );
  });
});

describe('COCO captions', () => {
  it('joins captions to their images and reports each bad entry', async () => {
    const document = {
      images: [
        { id: 1, file_name: 'one.jpg' },
        { id: 2, file_name: '../../etc/passwd' },
        { id: 3, file_name: 'three.jpg' },
        { file_name: 'four.jpg' },
      ],
      annotations: [
        { id: 10, image_id: 1, caption: ' A cat. ' },
        { id: 11, image_id: 2, caption: 'x' },
        { id: 12, image_id: 1, caption: 'Another cat.' },
        { id: 13, image_id: 3, caption: '  ' },
        { id: 14, image_id: 99, caption: 'lost' },
        { id: 15, image_id: 1 },
      ],
    };
    const annotations = await file('coco.json', JSON.stringify(document));
    const items = await readAll(await openCocoCaptions({ annotations, images: root }));
    expect(gist(items)).toEqual([
      ['annotation 13', 'empty-caption'],
      ['annotation 14', 'unknown-image'],
      ['annotation 15', 'no-caption'],
      ['one.jpg', 'A cat.', 'Another cat.', undefined],
      ['../../etc/passwd', 'path-outside'],
      ['three.jpg', 'no-caption'],
      ['image #3', 'bad-image-entry'],
    ]);
  });

  it('refuses other layouts by name', async () => {
    const images = root;
    const list = await file('list.json', '{"info": {}, "images": []}');
    await expect(openCocoCaptions({ annotations: list, images })).rejects.toThrow(
      'expected a list "annotations", got keys info, images; use the captions file, not the instances file',
    );
    const broken = await file('broken.json', '{"images": [');
    await expect(openCocoCaptions({ annotations: broken, images })).rejects.toThrow(
      'expected JSON, got the end of the text at 1:13; mend the file, or download it again',
    );
  });
});

describe('captions CSV', () => {
  it('reads the form of Flickr30k, its known broken line among them', async () => {
    const table = await file(
      'flickr.csv',
      'image_name| comment_number| comment\n1.jpg| 0| Two "young" guys .\n2.jpg| 0| A dog .\n1.jpg| 1| Two men .\n2.jpg| 4   A dog runs .\n2.jpg| 1|  \n',
    );
    expect(gist(await readAll(await openCaptionsCsv({ file: table, images: root })))).toEqual([
      ['line 5', 'field-count'],
      ['2.jpg (line 6)', 'empty-caption'],
      ['1.jpg', 'Two "young" guys .', 'Two men .', undefined],
      ['2.jpg', 'A dog .', undefined],
    ]);
  });

  it('reads commas and quotes, and never leaves the image folder', async () => {
    const table = await file('plain.csv', 'image,caption\na.png,"red, round"\n/etc/passwd,x\n,y\n');
    expect(gist(await readAll(await openCaptionsCsv({ file: table, images: root })))).toEqual([
      ['/etc/passwd', 'path-outside'],
      ['line 4', 'no-image-name'],
      ['a.png', 'red, round', undefined],
    ]);
  });

  it('lists the columns found where the wanted one is not there', async () => {
    const table = await file('wrong.csv', 'where,words\na.png,x\n');
    await expect(openCaptionsCsv({ file: table, images: root })).rejects.toThrow(
      'expected the image column to be named "image" or "image_name" or "filename" or "file_name" or "file" or "path" or "image_id" or "image_path", got the columns "where", "words"; set imageColumn to one of these',
    );
    await expect(
      openCaptionsCsv({ file: table, images: root, imageColumn: 'where', captionColumn: 'text' }),
    ).rejects.toThrow(
      'expected the caption column to be named "text", got the columns "where", "words"; set captionColumn',
    );
    const reader = await openCaptionsCsv({
      file: table,
      images: root,
      imageColumn: 'where',
      captionColumn: 'words',
    });
    expect(gist(await readAll(reader))).toEqual([['a.png', 'x', undefined]]);
  });
});

describe('jsonl manifest', () => {
  it('takes no number for a label that the column of labels does not hold', async () => {
    const rows = [2 ** 31 - 1, 2 ** 31, 2 ** 53, -1, 1.5].map((label) =>
      JSON.stringify({ text: 'a', label }),
    );
    const manifest = await file('labels.jsonl', rows.join('\n'));
    const items = await readAll(await openJsonlManifest({ file: manifest }));
    expect(items.map((item) => (item.kind === 'sample' ? item.label : item.code))).toEqual([
      2 ** 31 - 1,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('takes rows of the usual keys and reports the others', async () => {
    const rows = [
      '{"image": "a.png", "text": "one", "id": "first"}',
      '{"image": "b.png", "captions": ["one", "two"], "label": "dog"}',
      '{"text": "only text", "label": 0}',
      '{"image": "c.png", "label": 7}',
      '{"image": "../x.png", "text": "out"}',
      '{"image": "d.png", "text": " "}',
      '{"image": "e.png", "captions": ["", "kept", null, {"raw": null}]}',
      '{"image": "f.png", "captions": [null, ""]}',
      '{"image": "g.png", "captions": []}',
      '{"image": "h.png", "captions": ["one", 2]}',
      '{"image": 3}',
      '{"note": "nothing"}',
      '[1]',
      'not json',
      '',
    ];
    const manifest = await file('rows.jsonl', rows.join('\n'));
    const items = await readAll(await openJsonlManifest({ file: manifest, classes: ['cat', 'dog'] }));
    expect(gist(items)).toEqual([
      ['first', 'one', undefined],
      ['b.png', 'one', 'two', 1],
      ['line 3', 'only text', 0],
      ['line 4', 'unknown-label'],
      ['../x.png', 'path-outside'],
      ['line 6', 'empty-caption'],
      // Those of a list that are empty are left out alone, where the rows are made.
      ['e.png', '', 'kept', '', '', undefined],
      ['line 8', 'empty-caption'],
      ['line 9', 'empty-caption'],
      ['line 10', 'bad-text'],
      ['line 11', 'no-image-name'],
      ['line 12', 'empty-row'],
      ['line 13', 'bad-json'],
      ['line 14', 'bad-json'],
    ]);
    expect(items[0]).toMatchObject({ image: { kind: 'path', path: join(root, 'a.png') } });
  });
});

describe('jsonl manifest of another layout', () => {
  it('says that a file is one JSON value', async () => {
    for (const text of [
      '[{"image":"a.png"},\n{"image":"b.png"}]',
      '[\n  {"image":"a.png"}\n]',
      '\uFEFF[{"image":"a"}]',
    ]) {
      await expect(openJsonlManifest({ file: await file('list.json', text) })).rejects.toThrow(
        /expected one JSON object a line, got a JSON list; write each object on a line of its own \(jq -c '\.\[\]'\)$/u,
      );
    }
    await expect(
      openJsonlManifest({ file: await file('one.json', '{\n"image": "a.png"\n}') }),
    ).rejects.toThrow('got an object over several lines; write each object on a line of its own (jq -c .)');
    const packed = await file('rows.jsonl.gz', gzipSync('{"text": "one"}\n'));
    expect(gist(await readAll(await openJsonlManifest({ file: packed })))).toEqual([
      ['line 1', 'one', undefined],
    ]);
  });
});

describe('plain text', () => {
  it('takes any line end, form feeds, a mark and gzip', async () => {
    const read = async (
      content: string | Uint8Array,
      unit: 'line' | 'paragraph' | 'document' = 'paragraph',
    ) => gist(await readAll(await openPlainText({ files: [await file('t.txt', content)], unit })));
    const expected = [
      ['t.txt:1', 'one two', undefined],
      ['t.txt:4', 'three', undefined],
    ];
    for (const text of [
      'one\ntwo\n\nthree\n',
      'one\r\ntwo\r\n\r\nthree\r\n',
      'one\rtwo\r\rthree\r',
      '\uFEFFone\ntwo\n \t\nthree',
      'one\ntwo\n\f\nthree',
      gzipSync('one\ntwo\n\nthree\n'),
    ]) {
      expect(await read(text)).toEqual(expected);
    }
    expect(await read('one\ntwo\n\n\fthree\n', 'document')).toEqual([
      ['t.txt', 'one two', 'three', undefined],
    ]);
    expect(await read('one\rtwo', 'line')).toEqual([
      ['t.txt:1', 'one', undefined],
      ['t.txt:2', 'two', undefined],
    ]);
    await expect(read(Buffer.from('\uFEFFone', 'utf16le'))).rejects.toThrow(
      't.txt: expected UTF-8 text, got UTF-16',
    );
    expect(await read(Buffer.from('na\u00efve\n\nplain\n', 'latin1'))).toEqual([
      ['t.txt:1', 'invalid-utf8'],
      ['t.txt:3', 'plain', undefined],
    ]);
  });

  it('reads lines, paragraphs or documents', async () => {
    const path = await file('text.txt', 'one\ntwo\n\n\nthree\n');
    const empty = await file('empty.txt', '\n');
    expect(gist(await readAll(await openPlainText({ files: [path] })))).toEqual([
      ['text.txt:1', 'one', undefined],
      ['text.txt:2', 'two', undefined],
      ['text.txt:5', 'three', undefined],
    ]);
    expect(gist(await readAll(await openPlainText({ files: [path], unit: 'paragraph' })))).toEqual([
      ['text.txt:1', 'one two', undefined],
      ['text.txt:5', 'three', undefined],
    ]);
    expect(gist(await readAll(await openPlainText({ files: [path, empty], unit: 'document' })))).toEqual([
      ['text.txt', 'one two', 'three', undefined],
      ['empty.txt', 'empty-document'],
    ]);
  });

  it('refuses two files of one name, since names are ids', async () => {
    const a = await file('x/same.txt', 'a');
    const b = await file('y/same.txt', 'b');
    await expect(openPlainText({ files: [a, b] })).rejects.toThrow(
      'expected files of different names, got "same.txt" twice',
    );
  });
});

describe('labelled TSV', () => {
  it('reads a pair task with its header and finds the labels', async () => {
    const path = await file(
      'rte.tsv',
      'index\tsentence1\tsentence2\tlabel\n0\tA "b.\tC.\tentailment\n1\tD.\tE.\tnot_entailment\n2\tF.\tG.\n3\t\tH.\tentailment\n',
    );
    const reader = await openLabelledTsv({
      file: path,
      textColumns: ['sentence1', 'sentence2'],
      labelColumn: 'label',
    });
    expect(reader.classes).toEqual(['entailment', 'not_entailment']);
    expect(gist(await readAll(reader))).toEqual([
      ['line 2', 'A "b.', 'C.', 0],
      ['line 3', 'D.', 'E.', 1],
      ['line 4', 'field-count'],
      ['line 5', 'empty-text'],
    ]);
  });

  it('reads columns by index where there is no header, with words for the labels', async () => {
    const path = await file('cola.tsv', 'gj04\t1\t\tGood.\ngj04\t0\t*\tBad is.\ngj04\t2\t\tOdd.\n');
    const reader = await openLabelledTsv({
      file: path,
      textColumns: [3],
      labelColumn: 1,
      header: false,
      labels: ['0', '1'],
      classes: ['unacceptable', 'acceptable'],
    });
    expect(reader.classes).toEqual(['unacceptable', 'acceptable']);
    expect(gist(await readAll(reader))).toEqual([
      ['line 1', 'Good.', 1],
      ['line 2', 'Bad is.', 0],
      ['line 3', 'unknown-label'],
    ]);
  });

  it('lists the columns found', async () => {
    const path = await file('sst.tsv', 'sentence\tlabel\nx\t1\n');
    await expect(
      openLabelledTsv({ file: path, textColumns: ['text'], labelColumn: 'label' }),
    ).rejects.toThrow(
      'expected the text column to be named "text", got the columns "sentence", "label"; set textColumns to one of these',
    );
  });
});

describe('WebDataset', () => {
  it.each([
    ['train-0.tar', undefined, ['train']],
    ['test-0.tar', undefined, ['test']],
    ['0.tar', undefined, undefined],
    ['train-0.tar', false, undefined],
  ])('reads the split of a single archive from its name: %s', async (name, splitsByName, splits) => {
    const files = [await file(name, Buffer.alloc(1024))];
    const reader = await openWebDataset({ files, ...(splitsByName === undefined ? {} : { splitsByName }) });
    expect(reader.splits).toEqual(splits);
  });

  const archive = Buffer.concat([
    tarMember('d/0001.jpg', Buffer.from('jpeg')),
    tarMember('d/0001.txt', Buffer.from(' a caption ')),
    tarMember('d/0001.cls', Buffer.from('1')),
    tarMember('d/0002.seg.png', Buffer.from('png')),
    tarMember('d/0002.json', Buffer.from('{"captions": ["one", "two"]}')),
    tarMember('d/0003.jpg', Buffer.alloc(5000)),
    tarMember('d/0004.jpg', Buffer.from('x')),
    tarMember('d/0004.cls', Buffer.from('9')),
    tarMember('d/0005.txt', Buffer.from('')),
    tarMember('d/0006.npy', Buffer.from('z')),
    tarMember('d/0007.json', Buffer.from('{')),
    tarEnd,
  ]);
  const expected = [
    ['s.tar/d/0001', 'a caption', 1],
    ['s.tar/d/0002', 'no-image'],
    ['s.tar/d/0003', 'entry-too-large'],
    ['s.tar/d/0004', 'unknown-label'],
    ['s.tar/d/0005', 'empty-caption'],
    ['s.tar/d/0006', 'empty-row'],
    ['s.tar/d/0007', 'bad-text'],
  ];

  it('groups members by key', async () => {
    const path = await file('s.tar', archive);
    const reader = await openWebDataset({
      files: [path],
      classes: ['cat', 'dog'],
      budgets: { memberBytes: 4096 },
    });
    const items = await readAll(reader);
    expect(gist(items)).toEqual(expected);
    expect(items[0]).toMatchObject({ image: { kind: 'bytes', bytes: new Uint8Array(Buffer.from('jpeg')) } });
  });

  it('decompresses on the way and names what is broken', async () => {
    const packed = await file('s.tar.gz', gzipSync(archive));
    const items = await readAll(
      await openWebDataset({ files: [packed], classes: ['cat', 'dog'], budgets: { memberBytes: 4096 } }),
    );
    expect(items).toHaveLength(expected.length);
    const unnamed = await file('s.tgz', gzipSync(archive));
    expect(
      (
        await readAll(
          await openWebDataset({ files: [unnamed], classes: ['cat', 'dog'], budgets: { memberBytes: 4096 } }),
        )
      ).length,
    ).toBe(expected.length);
    // Two members of gzip, as `cat a.gz b.gz` makes them, are one stream.
    const joined = await file(
      'joined.tar.gz',
      Buffer.concat([gzipSync(archive.subarray(0, 3000)), gzipSync(archive.subarray(3000))]),
    );
    expect(
      await readAll(
        await openWebDataset({ files: [joined], classes: ['cat', 'dog'], budgets: { memberBytes: 4096 } }),
      ),
    ).toHaveLength(expected.length);
    const cut = await file('cut.tar.gz', gzipSync(archive.subarray(0, 6000)).subarray(0, -9));
    const notes: string[] = [];
    const left = await readAll(
      await openWebDataset({ files: [cut], onNote: (note) => void notes.push(note) }),
    );
    expect(left.at(-1)).toMatchObject({ kind: 'fault', code: 'truncated-member' });
    const damaged = gzipSync(archive);
    damaged.fill(0xff, 60, 90);
    await expect(
      readAll(await openWebDataset({ files: [await file('bad.tar.gz', damaged)] })),
    ).rejects.toThrow(/^bad\.tar\.gz: expected gzip data, got .*; fetch it again$/u);
    const zip = await file('z.tar', Buffer.from('PK\u0003\u0004rest'));
    await expect(readAll(await openWebDataset({ files: [zip] }))).rejects.toThrow(
      'z.tar: expected a plain or gzip file, got zip; unpack it first (unzip z.tar)',
    );
    const missing = join(root, 'none.tar');
    await expect(openWebDataset({ files: [missing] })).rejects.toThrow(
      `WebDataset archive: expected a file, got nothing at ${missing}; give the path of an existing file`,
    );
  });

  it('does not keep a key of endless members', async () => {
    const many = Array.from({ length: 40 }, (_, i) => tarMember(`k.p${i}`, Buffer.from('x')));
    const path = await file('many.tar', Buffer.concat([...many, tarEnd]));
    expect(gist(await readAll(await openWebDataset({ files: [path] })))).toEqual([
      ['many.tar/k', 'too-many-members'],
    ]);
  });
});
