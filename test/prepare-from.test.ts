/** `prepare --from PATH`: which reader fits what somebody has, why, and the suite that comes of it. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { npyBytes } from './npy-bytes.ts';
import { image, readPrepared, useOwnData } from './own-data.ts';
import { polygate } from './polygate.ts';
import { wavBytes } from './wav-bytes.ts';
import { tarEnd, tarMember } from '../packages/datasets/test/support/tar-writer.ts';

const data = useOwnData();

const images = async (folder: string, names: readonly string[], from = 0): Promise<void> => {
  for (const [at, name] of names.entries()) await data.put(`${folder}/${name}`, image(from + at));
};
const numbered = (count: number): string[] => Array.from({ length: count }, (_, at) => `${at}.svg`);

/** Prepares what lies at a path, with small images. */
const from = (path: string, ...more: string[]) =>
  polygate('prepare', '--from', data.at(path), '--out', data.at('data'), '--set', 'image.size=8', ...more);

const lines = (rows: readonly object[]): string => rows.map((row) => JSON.stringify(row)).join('\n');

/** A table of stays whose last column is called so; a row each, with gaps and an id. */
const stays = (name: string, rows = 12): string =>
  [
    `id,age,ward,${name}`,
    ...numbered(rows).map(
      (_, at) =>
        `${at},${at % 5 === 0 ? '' : 20 + at},${['a', 'b'][at % 2]},${['ill', 'well'][at % 3] ?? 'ill'}`,
    ),
  ].join('\n');

/** What each layout is made of, the reader that is to be found, and the kind of rows. */
const layouts: readonly [
  what: string,
  reader: string,
  kind: string,
  make: () => Promise<unknown>,
  path?: string,
][] = [
  [
    'folders of classes in folders of splits',
    'image-folder',
    'labelled-image',
    async () => {
      for (const [at, split] of ['train', 'val'].entries())
        for (const name of ['cat', 'dog'])
          await images(`own/${split}/${name}`, numbered(4), at * 8 + name.length);
    },
  ],
  [
    'a table of captions beside a folder of images',
    'captions-csv',
    'captioned-image',
    async () => {
      await images('own/photos', numbered(8));
      await data.put(
        'own/captions.csv',
        `image,caption\n${numbered(8)
          .map((name) => `${name},"a red, ${name}"`)
          .join('\n')}`,
      );
    },
  ],
  [
    'a table of labels whose names lack their suffix',
    'labelled-table',
    'labelled-image',
    async () => {
      await images('own/train', numbered(8));
      await data.put(
        'own/train.csv',
        `id,label\n${numbered(8)
          .map((_, at) => `${at},${at % 2 ? 'a' : 'b'}`)
          .join('\n')}`,
      );
    },
  ],
  [
    'a table that is pointed at itself',
    'labelled-table',
    'labelled-image',
    async () => {
      await images('own/train', numbered(8));
      await data.put(
        'own/train.csv',
        `image;class\n${numbered(8)
          .map((name, at) => `${name};${at % 2}`)
          .join('\n')}`,
      );
    },
    'own/train.csv',
  ],
  [
    'annotations of COCO',
    'coco-captions',
    'captioned-image',
    async () => {
      await images('own/train2017', numbered(8));
      await data.put(
        'own/annotations/captions_train2017.json',
        JSON.stringify({
          images: numbered(8).map((file_name, id) => ({ id, file_name })),
          annotations: numbered(8).map((name, id) => ({ id, image_id: id, caption: `a ${name}` })),
        }),
      );
    },
  ],
  [
    'texts beside images',
    'sidecar-captions',
    'captioned-image',
    async () => {
      await images('own', numbered(8));
      for (const at of numbered(8).keys()) await data.put(`own/${at}.txt`, `a square ${at}`);
    },
  ],
  [
    'JSON lines of images and captions',
    'jsonl',
    'captioned-image',
    async () => {
      await images('own/images', numbered(8));
      const row = (name: string) => ({ file_name: `images/${name}`, text: `a ${name}` });
      await data.put('own/rows.jsonl', lines(numbered(8).map(row)));
    },
  ],
  [
    'an archive of WebDataset',
    'webdataset',
    'captioned-image',
    async () => {
      const members = numbered(8).flatMap((name, at) => [
        tarMember(name, Buffer.from(image(at))),
        tarMember(`${at}.txt`, Buffer.from(`a square ${at}`)),
      ]);
      await data.put('own/train-000.tar', Buffer.concat([...members, tarEnd]));
    },
  ],
  [
    'tables of sentences, one for each split',
    'labelled-tsv',
    'labelled-text',
    async () => {
      const table = (rows: number, word: string): string =>
        `sentence\tlabel\n${numbered(rows)
          .map((_, at) => `${word} ${at}, all in all\t${at % 2}`)
          .join('\n')}`;
      await data.put('own/train.tsv', table(8, 'fine'));
      await data.put('own/dev.tsv', table(4, 'poor'));
    },
  ],
  [
    'a table of numbers and categories with a label',
    'multimodal-table',
    'multimodal-classes',
    () => data.put('own/stays.csv', stays('outcome')),
  ],
  [
    'rows of JSON lines that name recordings',
    'multimodal-table',
    'multimodal-classes',
    async () => {
      const row = (_: string, at: number) => ({
        clip: `${at}.wav`,
        weight: at / 3,
        kind: ['low', 'high'][at % 2],
      });
      for (const at of numbered(8).keys()) await data.put(`own/sounds/${at}.wav`, wavBytes(300 + at));
      await data.put('own/rows.jsonl', lines(numbered(8).map(row)));
    },
  ],
  [
    'arrays whose names say no modality',
    'multimodal-arrays',
    'multimodal-classes',
    async () => {
      const values = Array.from({ length: 48 }, (_, at) => at % 7);
      await data.put('own/imu.npy', npyBytes(values, [8, 3, 2]));
      await data.put('own/x.npy', npyBytes(values, [8, 6]));
      await data.put('own/labels.npy', npyBytes([0, 1, 0, 1, 0, 1, 0, 1], [8]));
    },
  ],
  [
    'a book',
    'plain-text',
    'text',
    () =>
      data.put('own/book.txt', Array.from({ length: 40 }, (_, at) => `Line ${at}, of a book.`).join('\n\n')),
  ],
];

describe('prepare --from', () => {
  it.each(layouts)('reads %s', async (...[, reader, kind, make, path = 'own']) => {
    await make();
    const { code, out, log } = await from(path);
    expect([code, code === 0 ? '' : log]).toEqual([0, '']);
    expect(out).toContain(`read by ${reader}: `);
    expect(out).toContain(`(${kind}): `);
    // Its recipe gives the same suite once more.
    const name = path === 'own' ? 'own' : 'train';
    const again = await polygate(
      'prepare',
      '--recipe',
      data.at(`data/${name}.recipe.json`),
      '--out',
      data.at('data'),
    );
    expect(again.log).toContain('nothing to do');
  });

  it('follows splits that names of files say', async () => {
    await layouts.find(([what]) => what.startsWith('tables of sentences'))?.[3]();
    expect((await from('own')).code).toBe(0);
    const { splits, classes } = await readPrepared(data.at('data/own'));
    expect(Object.entries(splits).map(([split, rows]) => [split, rows.length])).toEqual([
      ['train', 8],
      ['validation', 4],
    ]);
    expect(classes).toEqual(['0', '1']);
  });

  it('only says which reader fits, and why others do not', async () => {
    await images('own/photos', numbered(4));
    await data.put(
      'own/captions.csv',
      `image,caption\n${numbered(4)
        .map((name) => `${name},a ${name}`)
        .join('\n')}`,
    );
    const { code, out } = await from('own', '--show');
    expect(code).toBe(0);
    expect(out).toContain(`seen: 5 files (4 .svg, 1 .csv) in 1 folder below ${data.at('own')}`);
    expect(out).toContain(
      'read by captions-csv: captions.csv has the columns image (images) and caption (captions), and the images are in photos',
    );
    expect(out).toContain(
      'not by image-folder: one folder of images alone (photos): classes are two folders or more',
    );
    await expect(readFile(join(data.at('data'), 'own.recipe.json'))).rejects.toThrow('ENOENT');
  });

  it('takes folders of photos for no clips of one class each', async () => {
    await images('own', numbered(3));
    await images('own/beach', numbered(3));
    await images('own/trip/day1', numbered(3));
    const { code, log } = await from('own');
    expect(code).toBe(2);
    expect(log).toContain(
      'video-folder (1 folder of frames beside 6 images that are in none: folders of photos, it seems; put clips into folders named after their classes',
    );
  });

  it('asks which reader is meant where several fit', async () => {
    await images('own/photos', numbered(4));
    const rows = numbered(4).map((name, at) => `${name},a ${name},${at % 2}`);
    await data.put('own/all.csv', `image,caption,label\n${rows.join('\n')}`);
    const { code, log } = await from('own');
    expect(code).toBe(2);
    expect(log).toContain(
      'expected one reader that fits, got 2: captions-csv (all.csv has the columns image (images) and caption (captions), and the images are in photos); labelled-table (all.csv has the columns image (images) and label (labels), and the images are in photos); say which by --reader NAME',
    );
    const chosen = await from('own', '--reader', 'labelled-table');
    expect([chosen.code, chosen.out]).toEqual([0, expect.stringContaining('own (labelled-image): ')]);
    expect((await from('own', '--reader', 'image-folder')).log).toContain(
      'expected what image-folder reads (a folder with one folder per class',
    );
    expect((await from('own', '--reader', 'mnist')).log).toContain('this reader is given by a recipe alone');
  });

  it('asks which column of a table is meant, and takes the answer', async () => {
    await data.put('own/train.csv', stays('state'));
    await data.put('own/test.csv', stays('state', 4));
    const { code, log } = await from('own');
    expect(code).toBe(2);
    expect(log).toContain(
      'multimodal-table (train.csv: numbers in age, categories in ward, state, but no column is called as those that are asked are (label, labels, class, class_name, category, target, ...), and 1 more of the same columns; say which: --reader multimodal-table --set sources.own.labelColumn=state or --set sources.own.labelColumn=ward or --set sources.own.numberColumns=["age"])',
    );
    const given = ['--reader', 'multimodal-table', '--set', 'sources.own.labelColumn=state'];
    const chosen = await from('own', ...given);
    expect([chosen.code, chosen.out]).toEqual([0, expect.stringContaining('train 12, test 4')]);
    expect(chosen.log).toContain('column "id" is not read: each row has another one');
  });

  it('says what it saw and what readers need where none fits', async () => {
    await data.put('own/model.bin', 'x');
    await data.put('own/names.csv', 'image,caption\nmissing.png,a cat\nother.png,a dog\n');
    const { code, log } = await from('own');
    expect(code).toBe(2);
    expect(log).toContain('got 2 files (1 .bin, 1 .csv) in 0 folders below');
    expect(log).toContain('no image is called missing.png: give the folder that holds both');
    expect(log).not.toContain('readers need');
    await data.put('bare/model.bin', 'x');
    expect((await from('bare')).log).toContain('image-folder: a folder with one folder per class');
    expect((await from('nothing')).log).toContain('survey: expected a file or folder, got nothing at');
  });

  it('takes folders of texts for classes, and offers them as texts', async () => {
    for (const name of ['neg', 'pos'])
      for (const at of [0, 1, 2, 3]) await data.put(`own/${name}/${at}.txt`, `A ${name} film, number ${at}.`);
    await data.put('own/urls.txt', 'an address');
    const { out } = await from('own', '--show');
    expect(out).toContain('read by text-folder: texts in folders of the classes neg, pos');
    expect(out).toContain('also by plain-text: 9 files of text; --reader plain-text takes it');
  });

  it('sees quotes of CSV in a table with tabs, and says so', async () => {
    const rows = ['"a ""fine"" film\t1"\tpos', 'a film\tneg', '"one, two"\tpos', 'well\tneg'];
    await data.put('reviews.tsv', `review\tsentiment\n${rows.join('\n')}`);
    const { code, out } = await from('reviews.tsv', '--set', 'sources.reviews.testPercent=0');
    expect([code, out]).toEqual([0, expect.stringContaining('"quotes": "csv"')]);
    expect(out).toContain(
      'has texts in review and labels in sentiment; its cells are quoted as CSV quotes them (quotes: csv)',
    );
    await data.put('plain.tsv', 'review\tsentiment\na 5" disk\tpos\n"so called" film\tneg');
    expect((await from('plain.tsv', '--show')).out).not.toContain('quotes');
  });

  it('counts the images that no list of a split names', async () => {
    await images('own/Images', numbered(7));
    const rows = numbered(7).map((name) => `${name}#0\ta red ${name}`);
    await data.put('own/captions.token', rows.join('\n'));
    await data.put('own/trainImages.txt', '0.svg\n1.svg\n');
    await data.put('own/testImages.txt', '2.svg\n3.svg\n');
    const { code, log } = await from('own');
    expect([code, log]).toEqual([0, expect.stringContaining('left out: no-split 3 (quarantine.jsonl)')]);
  });

  it('says what to do with one image, or images without classes', async () => {
    await images('own', numbered(2));
    for (const [path, got] of [
      ['own', '2 images right in the folder'],
      ['own/0.svg', 'one image'],
    ] as const) {
      const { code, log } = await from(path);
      expect(code).toBe(2);
      const said = `nearly: image-folder (${got}, without classes or captions: put images into folders named after their classes (cat/1.jpg, dog/2.jpg) and give the folder of these); what is read: docs/own-data.md`;
      expect(log).toContain(said);
    }
  });

  it('never writes over a recipe that is there, nor over a suite of another one', async () => {
    for (const name of ['cat', 'dog']) await images(`own/${name}`, numbered(5), name.length);
    expect((await from('own')).code).toBe(0);
    expect((await from('own')).log).toContain('nothing to do');
    const file = data.at('data/own.recipe.json');
    const edited = (await readFile(file, 'utf8')).replace('"size": 8', '"size": 12');
    await writeFile(file, edited);
    for (const more of [[], ['--force']]) {
      const { code, log } = await from('own', ...more);
      expect(code).toBe(2);
      expect(log).toContain(
        `got ${file}, which differs in "image.size": edited, or of another source; prepare it as it stands by --recipe ${file}, or make a suite of its own by --set name=own-2 (or remove the file)`,
      );
    }
    expect(await readFile(file, 'utf8')).toBe(edited);
    // Another folder of the same name.
    for (const name of ['cat', 'dog']) await images(`other/own/${name}`, numbered(4), name.length);
    expect((await from('other/own', '--set', 'image.size=12')).log).toContain(
      'differs in "sources.own.path"',
    );
    await rm(file);
    const { code, log } = await from('other/own');
    expect(code).toBe(2);
    expect(log).toContain(
      `expected no suite of another source or other settings, got one in ${data.at('data/own')}`,
    );
    expect((await from('other/own', '--set', 'name=own-2')).code).toBe(0);
  });

  it('never takes the place of what it reads', async () => {
    for (const name of ['cat', 'dog']) await images(`data/pets/${name}`, numbered(5), name.length);
    const { code, out } = await from('data/pets');
    expect([code, out]).toEqual([0, expect.stringContaining('"name": "pets-suite"')]);
    expect(await readFile(data.at('data/pets/cat/0.svg'), 'utf8')).toBe(image(3));
  });

  it('goes with no recipe, and other flags go with it', async () => {
    await images('own/a', numbered(4));
    expect((await from('own', '--recipe', 'mini')).log).toContain('expected --from or --recipe, got both');
    expect((await polygate('prepare', '--show')).log).toContain('expected --from PATH with --show, got none');
    expect((await polygate('prepare', '--reader', 'jsonl')).log).toContain(
      'expected --from PATH with --reader, got none',
    );
  });
});
