/** Splits that somebody's own files name, prepared through the command line. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { tarEnd, tarMember } from '../packages/datasets/test/support/tar-writer.ts';
import { ids, labels, none, image, useOwnData } from './own-data.ts';

const { at, put, run, prepared, refused } = useOwnData();

describe('splits that the source names', () => {
  it.each([
    ['train', 'validation', 'test'],
    ['Training', 'valid', 'testing'],
    ['train', 'val', 'test'],
    ['train2017', 'val2017', 'test2017'],
    ['train', 'dev', 'test'],
  ])('follows the folders %s, %s and %s', async (...names) => {
    let n = 0;
    for (const split of names) {
      for (const name of ['cat', 'dog']) await put(`photos/${split}/${name}/1.svg`, image((n += 1)));
    }
    const { classes, splits, quarantine } = await prepared({
      p: { source: 'image-folder', path: at('photos') },
    });
    expect([classes, Object.keys(splits), quarantine]).toEqual([
      ['cat', 'dog'],
      ['train', 'validation', 'test'],
      {},
    ]);
    for (const rows of Object.values(splits)) expect(labels(rows)).toEqual(['cat', 'dog']);
  });

  it('takes one order of classes where a split lacks some', async () => {
    await put('photos/train/cat/1.svg', image(1));
    await put('photos/train/dog/1.svg', image(2));
    await put('photos/test/dog/1.svg', image(3));
    await put('photos/test/emu/1.svg', image(4));
    const { classes, splits, log } = await prepared({ p: { source: 'image-folder', path: at('photos') } });
    expect(log.join('\n')).toContain('1 of 3 classes have no training sample: ["emu"]');
    expect([classes, labels(splits['test'])]).toEqual([
      ['cat', 'dog', 'emu'],
      ['dog', 'emu'],
    ]);
  });

  it('does not take splits for classes', async () => {
    await put('photos/train/1.svg', image(1));
    await put('photos/test/1.svg', image(2));
    const source = { source: 'image-folder', path: at('photos') };
    expect(await refused({ p: source })).toContain(
      'expected one folder per class with images in it, got the splits test, train with images right in them; put class folders into them, or name what they hold with classNames',
    );
    const { classes } = await prepared({
      p: { ...source, ...none, classNames: { train: 'railway train', test: 'exam' } },
    });
    expect(classes).toEqual(['exam', 'railway train']);
    // A vehicle among others is a class.
    await put('vehicles/train/1.svg', image(1));
    await put('vehicles/car/1.svg', image(2));
    expect(
      (await prepared({ p: { source: 'image-folder', path: at('vehicles'), ...none } })).classes,
    ).toEqual(['car', 'train']);
  });

  it('follows a column of a table of labels, of captions, and a field of JSON lines', async () => {
    const rows = Array.from({ length: 24 }, (_, n) => [
      `${n}.svg`,
      n % 2 === 0 ? 'cat' : 'dog',
      n < 18 ? 'train' : n < 20 ? 'val' : 'Test',
    ]);
    for (let n = 0; n < 24; n += 1) await put(`k/${n}.svg`, image(n));
    const table = await put(
      'kaggle.csv',
      ['image_id,label,split', ...rows.map((row) => row.join(','))].join('\r\n'),
    );
    const captions = await put(
      'captions.csv',
      ['image,caption,split', ...rows.map((row) => row.join(','))].join('\n'),
    );
    const lines = rows.map(([image, label, split]) => JSON.stringify({ image, label, split })).join('\n');
    const file = await put('rows.jsonl', lines);
    const sources = [
      { source: 'labelled-table', file: table, images: at('k') },
      { source: 'captions-csv', file: captions, images: at('k') },
      { source: 'jsonl', file, root: at('k'), kind: 'labelled-image' },
    ];
    for (const p of sources) {
      const { splits, log } = await prepared({ p });
      expect(Object.entries(splits).map(([split, list]) => [split, list.length])).toEqual([
        ['train', 18],
        ['validation', 2],
        ['test', 4],
      ]);
      expect(ids(splits['test'])).toEqual(['20.svg', '21.svg', '22.svg', '23.svg']);
      expect(log.join('\n')).not.toContain('not used');
    }
  });

  it('takes what other programs write for no value as no split, and tells names of no letters', async () => {
    const rows = ['train', 'test', 'NaN', '<NA>', 'None', 'null', 'N/A', '', '.'];
    for (const n of rows.keys()) await put(`i/${n}.svg`, image(n));
    const table = await put(
      'na.csv',
      ['image,label,split', ...rows.map((split, n) => `${n}.svg,c,${split}`)].join('\n'),
    );
    const limits = ['--set', 'limits.rate=1'];
    const told = async (): Promise<string> => readFile(at('data/own/quarantine.jsonl'), 'utf8');
    for (const more of [{}, { splitColumn: 'split' }]) {
      const source = { source: 'labelled-table', file: table, images: at('i'), ...more };
      const { splits, quarantine } = await prepared({ p: source }, ...limits);
      expect([Object.keys(splits), quarantine]).toEqual([['train', 'test'], { 'no-split': 7 }]);
      for (const got of ['\\"NaN\\"', 'an empty field'])
        expect(await told()).toContain(`expected the name of a split, got ${got}`);
      expect(await told()).toContain('expected a name of letters and digits for a split, got \\".\\"');
    }
    const lines = rows.map((split, n) => JSON.stringify({ text: `words ${n}`, split }));
    const jsonl = await put('na.jsonl', lines.join('\n'));
    const { splits } = await prepared({ p: { source: 'jsonl', kind: 'text', file: jsonl } }, ...limits);
    expect(Object.keys(splits)).toEqual(['train', 'test']);
    expect(await told()).toContain('expected the name of a split in \\"split\\", got \\"None\\"');
  });

  it('follows the names of archives and a column of a table of texts', async () => {
    const shard = (n: number) =>
      Buffer.concat([
        tarMember('0.svg', Buffer.from(image(n))),
        tarMember('0.txt', Buffer.from(`image ${n}`)),
        tarEnd,
      ]);
    const names = ['coco-train-0000.tar', 'coco-train-0001.tar', 'coco-val-0000.tar'];
    const files: string[] = [];
    for (const [n, name] of names.entries()) files.push(await put(name, shard(n)));
    const { splits } = await prepared({ p: { source: 'webdataset', files } });
    expect([ids(splits['train']), ids(splits['validation'])]).toEqual([
      ['coco-train-0000.tar/0', 'coco-train-0001.tar/0'],
      ['coco-val-0000.tar/0'],
    ]);
    const rows = ['text\tlabel\tsplit', 'Good.\tyes\ttrain', 'Bad.\tno\ttrain', 'GOOD. \tyes\tdev'];
    const file = await put('t.tsv', rows.join('\n'));
    const source = { source: 'labelled-tsv', file, textColumns: ['text'], labelColumn: 'label' };
    const { code, log } = await run({ p: source });
    expect([code, log.filter((line) => line.includes('(labelled-text)'))]).toEqual([
      0,
      ['prepare own: p (labelled-text): train 2, validation 1'],
    ]);
    expect(log.join('\n')).toContain('1 samples of train and validation show the same');
  });

  it('says which column it does not use, and follows it when asked', async () => {
    for (let n = 0; n < 4; n += 1) await put(`k/${n}.svg`, image(n));
    const file = await put(
      't.csv',
      'image,label,subset\n0.svg,a,north\n1.svg,b,north\n2.svg,a,south\n3.svg,b,south\n',
    );
    const source = { source: 'labelled-table', file, images: at('k'), ...none };
    expect((await prepared({ p: source })).log.join('\n')).toContain(
      'sources.p: column "subset" is not followed: its values (north, south) name no splits; set splitColumn to follow it all the same',
    );
    const { splits } = await prepared({ p: { ...source, splitColumn: 'subset' } });
    expect(Object.keys(splits)).toEqual(['north', 'south']);
  });
});
