/**
 * Files of people's own, as other tools and systems write them, through the command line: which samples they hold,
 * which picture has which text, in which split, with which class.
 */
import { link, mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { tarEnd, tarMember } from '../packages/datasets/test/support/tar-writer.ts';
import { ids, labels, none, picture, texts, useOwnData } from './own-data.ts';

const { at, put, run, prepared, refused } = useOwnData();

describe('identity', () => {
  it('takes five lines that name one picture for one sample, in one split', async () => {
    const lines: string[] = [];
    for (let n = 0; n < 40; n += 1) {
      await put(`photos/${n}.svg`, picture(n));
      for (let v = 0; v < 5; v += 1) {
        const name = ['photos', './photos', 'photos', 'photos/../photos', 'photos'][v] ?? '';
        const separator = v === 4 ? '\\' : '/';
        lines.push(
          JSON.stringify({
            file_name: `${name}${separator}${n}.svg`,
            text: `field ${n}, version ${v}`,
            id: n * 5 + v,
          }),
        );
      }
    }
    const file = await put('five.jsonl', lines.join('\n'));
    const { splits } = await prepared({
      p: { source: 'jsonl', file, validationPercent: 10, testPercent: 20 },
    });
    const rows = Object.values(splits).flat();
    expect(rows).toHaveLength(40);
    for (const { texts } of rows) {
      const n = /field (\d+),/u.exec(texts?.[0] ?? '')?.[1] ?? '';
      expect(texts).toEqual([0, 1, 2, 3, 4].map((v) => `field ${n}, version ${v}`));
    }
    expect(Object.keys(splits)).toEqual(['train', 'validation', 'test']);
  });

  it('keeps equal pictures on one side, whatever they are called and whichever source has them', async () => {
    const lines: string[] = [];
    for (let n = 0; n < 60; n += 1) {
      await put(`a/${n}.svg`, picture(n % 12));
      lines.push(`${n}.svg,picture ${n}`);
    }
    await put('b/held.svg', picture(3));
    const file = await put('a.csv', ['image,caption', ...lines].join('\n'));
    const held = await put('b.csv', 'image,caption\nheld.svg,held out\n');
    const { splits } = await prepared({
      p: { source: 'captions-csv', file, images: at('a'), validationPercent: 20, testPercent: 30 },
      more: { source: 'captions-csv', file: held, images: at('b'), dataset: 'p', split: 'test' },
    });
    const sides = new Map<number, Set<string>>();
    for (const [split, rows] of Object.entries(splits)) {
      for (const { id } of rows) {
        const content = id === 'more/held.svg' ? 3 : Number.parseInt(id, 10) % 12;
        sides.set(content, (sides.get(content) ?? new Set()).add(split));
      }
    }
    expect([...sides.values()].every((set) => set.size === 1)).toBe(true);
    // What a source holds out for testing is nowhere in training, even under another name.
    expect([...(sides.get(3) ?? [])]).toEqual(['test']);
  });

  it('draws once for equal pictures and texts of sources that put different shares aside', async () => {
    for (let n = 0; n < 40; n += 1)
      for (const folder of ['a', 'b']) await put(`${folder}/x/${n}.svg`, picture(n));
    const few = { dataset: 'd', validationPercent: 5, testPercent: 10 };
    const many = { dataset: 'd', validationPercent: 30, testPercent: 30 };
    const pictures = await prepared({
      a: { source: 'image-folder', path: at('a'), ...few },
      b: { source: 'image-folder', path: at('b'), ...many },
    });
    const sides = new Map<string, Set<string>>();
    for (const [split, rows] of Object.entries(pictures.splits)) {
      for (const { id } of rows) {
        const name = id.replace(/^b\//u, '');
        sides.set(name, (sides.get(name) ?? new Set()).add(split));
      }
    }
    expect([sides.size, Math.max(...[...sides.values()].map((set) => set.size))]).toEqual([40, 1]);
    const lines = Array.from({ length: 40 }, (_, n) => `w${n} of many`);
    const one = await put('a.txt', lines.join('\n'));
    const two = await put('b.txt', lines.join('\n').toUpperCase());
    const words = await prepared({
      a: { source: 'plain-text', unit: 'line', files: [one], ...few },
      b: { source: 'plain-text', unit: 'line', files: [two], ...many },
    });
    const shown = Object.values(words.splits).map(
      (rows) => new Set(texts(rows).flatMap((row) => row?.join(' ').match(/w\d+/gu) ?? [])),
    );
    expect(shown.reduce((sum, set) => sum + set.size, 0)).toBe(40);
  });

  it('knows a picture in another file: drawn on one side, told of in named splits and under another label', async () => {
    // A comment makes another file of the same picture.
    const again = (n: number): string => `${picture(n)}<!-- saved again -->`;
    for (let n = 0; n < 40; n += 1) {
      await put(`drawn/x/${n}.svg`, picture(n));
      await put(`drawn/x/${n}-again.svg`, again(n));
    }
    const { splits } = await prepared({
      p: { source: 'image-folder', path: at('drawn'), validationPercent: 20, testPercent: 20 },
    });
    for (const rows of Object.values(splits)) {
      const names = new Set(ids(rows));
      expect(
        ids(rows).filter((id) => !names.has(id.replace('.svg', '-again.svg')) && !id.includes('again')),
      ).toEqual([]);
    }
    expect(Object.keys(splits)).toEqual(['train', 'validation', 'test']);
    await put('named/train/cat/0.svg', picture(1));
    await put('named/test/dog/0.svg', again(1));
    const named = await prepared({ p: { source: 'image-folder', path: at('named') } });
    expect(named.overlaps).toEqual([
      { splits: ['test', 'train'], rows: 1, example: ['test/dog/0.svg', 'train/cat/0.svg'] },
    ]);
    expect(named.labelConflicts).toMatchObject({ rows: 1, labels: ['dog', 'cat'] });
  });

  it('warns of samples that one dataset holds out and another one trains on, and records them', async () => {
    for (let n = 0; n < 8; n += 1) await put(`a/x/${n}.svg`, picture(n));
    const { overlaps, log } = await prepared({
      held: { source: 'image-folder', path: at('a'), split: 'test' },
      more: { source: 'image-folder', path: at('a'), ...none },
    });
    expect(overlaps).toEqual([
      { splits: ['test', 'train'], dataset: 'more', rows: 8, example: ['x/0.svg', 'x/0.svg'] },
    ]);
    expect(log.join('\n')).toContain(
      'prepare held: 8 samples of test and more/train show the same, such as x/0.svg and x/0.svg',
    );
  });

  it('warns of samples that two named splits share, and records them', async () => {
    for (let n = 0; n < 4; n += 1) {
      await put(`photos/train/cat/${n}.svg`, picture(n));
      await put(`photos/test/cat/${n + 2}.svg`, picture(n + 2));
    }
    const { overlaps, log } = await prepared({ p: { source: 'image-folder', path: at('photos') } });
    expect(overlaps).toEqual([
      { splits: ['test', 'train'], rows: 2, example: ['test/cat/2.svg', 'train/cat/2.svg'] },
    ]);
    expect(log.join('\n')).toContain(
      'prepare p: 2 samples of test and train show the same, such as test/cat/2.svg and train/cat/2.svg',
    );
  });

  it('refuses COCO files whose image ids repeat, and reads ids that are texts or beyond 2^53 as they are', async () => {
    for (let n = 0; n < 4; n += 1) await put(`i/${n}.svg`, picture(n));
    const images = [1, 2, 1, 2].map((id, n) => ({ id, file_name: `${n}.svg` }));
    const annotations = [1, 2].map((id) => ({ id, image_id: id, caption: `caption ${id}` }));
    const joined = await put('joined.json', JSON.stringify({ images, annotations }));
    expect(
      await refused({ p: { source: 'coco-captions', annotations: joined, images: at('i'), ...none } }),
    ).toContain('expected ids that are there once, got id 1 in "images" twice ("0.svg" and "2.svg")');
    // 2^53 + 1 and 2^53 read as one number: neither is taken for the other.
    const exact = await put(
      'exact.json',
      '{"images":[{"id":9007199254740993,"file_name":"0.svg"},{"id":"7","file_name":"1.svg"},{"id":8,"file_name":"2.svg"}],' +
        '"annotations":[{"id":1,"image_id":9007199254740992,"caption":"wrong"},{"id":1,"image_id":7,"caption":"seven"},{"id":2,"image_id":"8","caption":"eight"}]}',
    );
    const { splits, quarantine } = await prepared({
      p: { source: 'coco-captions', annotations: exact, images: at('i'), ...none },
    });
    expect(splits['train']).toEqual([
      { id: '1.svg', texts: ['seven'] },
      { id: '2.svg', texts: ['eight'] },
    ]);
    expect(quarantine).toEqual({ 'bad-image-entry': 1, 'unknown-image': 1 });
  });

  it('gives rows of one id different ids, and keeps them', async () => {
    const lines = [0, 1, 2].map((n) =>
      JSON.stringify({ image: `${n}.svg`, text: `picture ${n}`, id: 'same' }),
    );
    for (let n = 0; n < 3; n += 1) await put(`${n}.svg`, picture(n));
    const file = await put('rows.jsonl', lines.join('\n'));
    const { splits } = await prepared({ p: { source: 'jsonl', file, ...none } });
    expect(ids(splits['train'])).toEqual(['same', 'same~2', 'same~3']);
  });
});

describe('classes', () => {
  const manifest = async (name: string, rows: readonly (readonly [number, unknown])[]): Promise<string> => {
    for (const [n] of rows) await put(`${n}.svg`, picture(n));
    return put(name, rows.map(([n, label]) => JSON.stringify({ file_name: `${n}.svg`, label })).join('\n'));
  };
  const source = (file: string, more: object = {}) => ({
    source: 'jsonl',
    kind: 'labelled-image',
    dataset: 'p',
    file,
    ...none,
    ...more,
  });
  const train = () =>
    manifest('train.jsonl', [
      [0, 0],
      [1, 1],
    ]);
  const test = () =>
    manifest('test.jsonl', [
      [2, 0],
      [3, 1],
    ]);

  it('refuses a second source whose numbers have no list', async () => {
    const a = source(await train(), { split: 'train', classes: ['positive', 'negative'] });
    const b = source(await test(), { split: 'test' });
    expect(await refused({ a, b })).toContain(
      'sources.b: expected labels among the classes ["positive","negative"] as in the rest of dataset "p", got the labels ["0","1"]; numbers mean nothing without a list: give both sources the same classes',
    );
    expect(await refused({ b: source(await train()), a: { ...a, split: 'test' } })).toContain(
      'sources.a: expected the labels ["0","1"] as in the rest of dataset "p", got the classes ["positive","negative"]',
    );
  });

  it('refuses another order, a part of the list, other names', async () => {
    const a = source(await train(), { split: 'train', classes: ['positive', 'negative'] });
    const file = await test();
    for (const classes of [
      ['negative', 'positive'],
      ['positive'],
      ['good', 'bad'],
      ['positive', 'negative', 'none'],
    ]) {
      expect(await refused({ a, b: source(file, { split: 'test', classes }) })).toContain(
        'give both sources one list in one order',
      );
    }
    const same = await prepared({ a, b: source(file, { split: 'test', classes: ['positive', 'negative'] }) });
    expect([same.classes, labels(same.splits['test'])]).toEqual([
      ['positive', 'negative'],
      ['positive', 'negative'],
    ]);
  });

  it('reads names by the list that the other source gives, and unites names that were found', async () => {
    const a = source(await train(), { split: 'train', classes: ['positive', 'negative'] });
    const named = await manifest('named.jsonl', [
      [2, 'negative'],
      [3, 'positive'],
    ]);
    const { classes, splits } = await prepared({ b: source(named, { split: 'val' }), a });
    expect(classes).toEqual(['positive', 'negative']);
    expect(labels(splits['validation'])).toEqual(['negative', 'positive']);
    expect(labels(splits['train'])).toEqual(['positive', 'negative']);
    const other = await manifest('other.jsonl', [
      [4, 'zebra'],
      [5, 'ant'],
    ]);
    const union = await prepared({
      b: source(named, { split: 'train' }),
      c: source(other, { split: 'train' }),
    });
    expect(union.classes).toEqual(['ant', 'negative', 'positive', 'zebra']);
    expect(labels(union.splits['train'])).toEqual(['negative', 'positive', 'zebra', 'ant']);
    expect(await refused({ b: source(named), c: source(await test()) })).toContain(
      'numbers mean nothing beside names',
    );
  });

  it('finds classes where none are listed: numbers by value, names in order', async () => {
    const numbers = await prepared({
      p: source(
        await manifest('n.jsonl', [
          [0, 10],
          [1, 2],
          [2, 0],
        ]),
      ),
    });
    expect([numbers.classes, labels(numbers.splits['train'])]).toEqual([
      ['0', '2', '10'],
      ['10', '2', '0'],
    ]);
    const names = await prepared({
      p: source(
        await manifest('s.jsonl', [
          [0, 'emu'],
          [1, '__proto__'],
          [2, 'constructor'],
        ]),
      ),
    });
    expect(names.classes).toEqual(['__proto__', 'constructor', 'emu']);
    expect(labels(names.splits['train'])).toEqual(['emu', '__proto__', 'constructor']);
  });

  it('finds them in archives, too', async () => {
    const members = ['b', 'a', 'b'].flatMap((name, n) => [
      tarMember(`${n}.svg`, Buffer.from(picture(n))),
      tarMember(`${n}.cls`, Buffer.from(name)),
    ]);
    const file = await put('s.tar', Buffer.concat([...members, tarEnd]));
    const { classes, splits } = await prepared({
      p: { source: 'webdataset', files: [file], kind: 'labelled-image', ...none },
    });
    expect([classes, labels(splits['train'])]).toEqual([
      ['a', 'b'],
      ['b', 'a', 'b'],
    ]);
  });

  it('refuses a dataset of labels without any', async () => {
    await put('0.svg', picture(0));
    const file = await put(
      'rows.jsonl',
      '{"image": "0.svg", "text": "no label"}\n{"image": 3}\n{"image":"0.svg"}\n',
    );
    expect(await refused({ p: source(file) })).toContain(
      `prepare p: expected rows, got none (no-image-name 1, no-label 1); they are listed in ${at('data/own.quarantine.jsonl')}`,
    );
    expect(await readFile(at('data/own.quarantine.jsonl'), 'utf8')).toContain('"no-label"');
  });

  it('refuses names that read the same', async () => {
    for (const [a, b] of [
      ['ice_cream', 'ice-cream'],
      ['cat', 'cat!'],
      ['Cat', 'cat'],
    ] as const) {
      await rm(at('f'), { recursive: true, force: true });
      await put(`f/${a}/1.svg`, picture(1));
      await put(`f/${b}/2.svg`, picture(2));
      expect(await refused({ p: { source: 'image-folder', path: at('f') } })).toMatch(
        /prepare p: expected class names that differ in letters or digits, got ".*" and ".*", which read the same; give other names/u,
      );
    }
  });

  it('takes folders named after the built-ins of the language for classes', async () => {
    for (const [n, name] of ['constructor', '__proto__', 'toString'].entries())
      await put(`f/${name}/1.svg`, picture(n));
    const { classes } = await prepared({ p: { source: 'image-folder', path: at('f'), ...none } });
    expect(classes).toEqual(['proto', 'constructor', 'toString']);
  });
});

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
      for (const name of ['cat', 'dog']) await put(`photos/${split}/${name}/1.svg`, picture((n += 1)));
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
    await put('photos/train/cat/1.svg', picture(1));
    await put('photos/train/dog/1.svg', picture(2));
    await put('photos/test/dog/1.svg', picture(3));
    await put('photos/test/emu/1.svg', picture(4));
    const { classes, splits, log } = await prepared({ p: { source: 'image-folder', path: at('photos') } });
    expect(log.join('\n')).toContain('1 of 3 classes have no training sample: ["emu"]');
    expect([classes, labels(splits['test'])]).toEqual([
      ['cat', 'dog', 'emu'],
      ['dog', 'emu'],
    ]);
  });

  it('does not take splits for classes', async () => {
    await put('photos/train/1.svg', picture(1));
    await put('photos/test/1.svg', picture(2));
    const source = { source: 'image-folder', path: at('photos') };
    expect(await refused({ p: source })).toContain(
      'expected one folder per class with pictures in it, got the splits test, train with pictures right in them; put class folders into them, or name what they hold with classNames',
    );
    const { classes } = await prepared({
      p: { ...source, ...none, classNames: { train: 'railway train', test: 'exam' } },
    });
    expect(classes).toEqual(['exam', 'railway train']);
    // A vehicle among others is a class.
    await put('vehicles/train/1.svg', picture(1));
    await put('vehicles/car/1.svg', picture(2));
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
    for (let n = 0; n < 24; n += 1) await put(`k/${n}.svg`, picture(n));
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
    for (const n of rows.keys()) await put(`i/${n}.svg`, picture(n));
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
        tarMember('0.svg', Buffer.from(picture(n))),
        tarMember('0.txt', Buffer.from(`picture ${n}`)),
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
    for (let n = 0; n < 4; n += 1) await put(`k/${n}.svg`, picture(n));
    const file = await put(
      't.csv',
      'image,label,subset\n0.svg,a,north\n1.svg,b,north\n2.svg,a,south\n3.svg,b,south\n',
    );
    const source = { source: 'labelled-table', file, images: at('k'), ...none };
    expect((await prepared({ p: source })).log.join('\n')).toContain(
      'sources.p: column "subset" is not used: its values (north, south) name no splits; set splitColumn to follow it all the same',
    );
    const { splits } = await prepared({ p: { ...source, splitColumn: 'subset' } });
    expect(Object.keys(splits)).toEqual(['north', 'south']);
  });
});

describe('pairing', () => {
  it('takes the member that is exactly the picture, others by a setting', async () => {
    const members = [0, 1, 2].flatMap((n) => [
      tarMember(`d/00${n}.depth.png`, Buffer.from('no picture')),
      tarMember(`d/00${n}.SVG`, Buffer.from(picture(n))),
      tarMember(`d/00${n}.TXT`, Buffer.from(`picture ${n}`)),
      tarMember(`d/._00${n}.svg`, Buffer.from('Mac OS X')),
      tarMember(`__MACOSX/d/._00${n}.txt`, Buffer.from('Mac OS X')),
    ]);
    const files = [
      await put('a.tar', Buffer.concat([tarMember('d/.DS_Store', Buffer.from('x')), ...members, tarEnd])),
    ];
    const { splits, quarantine } = await prepared({ p: { source: 'webdataset', files, ...none } });
    expect(splits['train']?.map(({ texts }) => texts)).toEqual([['picture 0'], ['picture 1'], ['picture 2']]);
    expect(quarantine).toEqual({});
    expect(await refused({ p: { source: 'webdataset', files, image: 'depth.png', ...none } })).toContain(
      'expected rows, got none (corrupt-image 3)',
    );
    expect(await refused({ p: { source: 'webdataset', files, image: 'left.png', ...none } })).toContain(
      '(no-image 3)',
    );
  });

  it('tells archives of one name apart, and keys that come back', async () => {
    const shard = (n: number) =>
      Buffer.concat([
        tarMember('0.svg', Buffer.from(picture(n))),
        tarMember('0.txt', Buffer.from(`picture ${n}`)),
        tarEnd,
      ]);
    const files = [await put('x/00000.tar', shard(1)), await put('y/00000.tar', shard(2))];
    const { splits } = await prepared({ p: { source: 'webdataset', files, ...none } });
    expect(ids(splits['train'])).toEqual(['x/00000.tar/0', 'y/00000.tar/0']);
    expect(await refused({ p: { source: 'webdataset', files: [files[0], files[0]], ...none } })).toContain(
      `expected each archive once, got ${files[0] ?? ''} twice`,
    );
    const parted = [0, 1].flatMap((n) => [tarMember(`${n}.svg`, Buffer.from(picture(n)))]);
    const texts = [0, 1].map((n) => tarMember(`${n}.txt`, Buffer.from('text')));
    const apart = await put('apart.tar', Buffer.concat([...parted, ...texts, tarEnd]));
    expect(await refused({ p: { source: 'webdataset', files: [apart], ...none } })).toContain(
      'repeated-key 2',
    );
  });

  it('names the reader of texts beside pictures, which reads them', async () => {
    for (let n = 0; n < 12; n += 1) {
      await put(`00000/00000000${n}.svg`, picture(n));
      await put(`00000/00000000${n}.json`, JSON.stringify({ caption: 'from json', url: 'x' }));
      if (n < 11) await put(`00000/00000000${n}.txt`, `caption ${n}\n`);
    }
    await put('00000_stats.json', '{"count": 12}');
    expect(await refused({ p: { source: 'image-folder', path: at('.') } })).toContain(
      'got a text beside 11 of 12 pictures; read them as captions with the source sidecar-captions',
    );
    const { splits, quarantine } = await prepared({
      p: { source: 'sidecar-captions', path: at('00000'), ...none },
    });
    const rows = splits['train'] ?? [];
    expect(rows.map(({ texts }) => texts?.[0])).toEqual(
      [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => (n === 11 ? 'from json' : `caption ${n}`)),
    );
    expect(quarantine).toEqual({});
  });
});

describe('names', () => {
  it('follows links to files, and lists those that lead nowhere', async () => {
    for (let n = 0; n < 3; n += 1) {
      await put(`store/${n}.svg`, picture(n));
      await mkdir(at('photos/cat'), { recursive: true });
      await symlink(at(`store/${n}.svg`), at(`photos/cat/${n}.svg`));
    }
    await symlink(at('store/none.svg'), at('photos/cat/gone.svg'));
    await put('photos/cat/Thumbs.db', 'x');
    await put('photos/.DS_Store', 'x');
    await put('photos/__MACOSX/cat/._1.svg', 'x');
    const { splits, quarantine } = await prepared({
      p: { source: 'image-folder', path: at('photos'), ...none },
    });
    expect(ids(splits['train'])).toEqual(['cat/0.svg', 'cat/1.svg', 'cat/2.svg']);
    expect(quarantine).toEqual({ 'broken-link': 1 });
  });

  it('follows links to folders inside, refuses others until told', async () => {
    await put('photos/cat/1.svg', picture(1));
    await symlink(at('photos/cat'), at('photos/kitten'));
    const source = { source: 'image-folder', path: at('photos'), ...none };
    expect((await prepared({ p: source })).classes).toEqual(['cat', 'kitten']);
    await put('elsewhere/1.svg', picture(2));
    await symlink(at('elsewhere'), at('photos/dog'));
    expect(await refused({ p: source })).toContain('set links to "follow" if that is meant');
    expect((await prepared({ p: { ...source, links: 'follow' } })).classes).toEqual(['cat', 'dog', 'kitten']);
  });

  it('finds circles of links', async () => {
    await put('s/a/1.svg', picture(1));
    await put('s/a/1.txt', 'one');
    await symlink(at('s'), at('s/a/again'));
    const { splits, quarantine } = await prepared({
      p: { source: 'sidecar-captions', path: at('s'), ...none },
    });
    expect([ids(splits['train']), quarantine]).toEqual([['a/1.svg'], { 'broken-link': 1 }]);
  });

  it('finds pictures by the names that other systems write', async () => {
    await put('i/caf\u00e9/One.SVG', picture(1));
    await put('i/two.svg', picture(2));
    await link(at('i/two.svg'), at('i/three.svg'));
    const names = [
      'cafe\u0301\\one.svg',
      './caf\u00e9/One.SVG',
      'TWO.svg',
      'two',
      'three.svg',
      'C:\\x.svg',
      'https://x.org/1.svg',
      '..\\out.svg',
    ];
    const file = await put(
      't.csv',
      ['image,caption', ...names.map((name, n) => `${name},caption ${n}`)].join('\n'),
    );
    const { splits, quarantine } = await prepared({
      p: { source: 'captions-csv', file, images: at('i'), ...none },
    });
    expect(splits['train']).toEqual([
      { id: 'caf\u00e9/One.SVG', texts: ['caption 0', 'caption 1'] },
      { id: 'two.svg', texts: ['caption 2', 'caption 3'] },
      { id: 'three.svg', texts: ['caption 4'] },
    ]);
    expect(quarantine).toEqual({ 'path-outside': 2, 'remote-image': 1 });
  });

  it('reads suffixes of the same format', async () => {
    const jpeg = Buffer.from(
      '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAxNDQ0Hyc5PTgyPC4zNDL/wAALCAABAAEBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACAEBAAA/APn+iiiv/9k=',
      'base64',
    );
    for (const suffix of ['jpe', 'JFIF', 'Jpg', 'JPEG']) await put(`f/cat/${suffix}.${suffix}`, jpeg);
    const { splits, quarantine } = await prepared({ p: { source: 'image-folder', path: at('f'), ...none } });
    expect([splits['train']?.length, quarantine]).toEqual([4, {}]);
  });
});

describe('values', () => {
  it('counts what can not be used, each with its reason', async () => {
    for (let n = 0; n < 12; n += 1) await put(`${n}.svg`, picture(n));
    const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`;
    const rows = [
      '{"image": "0.svg", "text": "fine", "id": {"$oid": "1"}}',
      '{"image": "1.svg", "text": null}',
      '{"image": "2.svg", "text": 7}',
      '{"image": "3.svg", "text": NaN}',
      `{"image": "4.svg", "text": "deep", "id": ${deep}}`,
      '{"image": {"a": 1}, "text": "object"}',
      '{"image": "5.svg", "captions": ["a", ""]}',
      '{"image": "6.svg", "captions": []}',
      '{"image": null, "text": ["only text"]}',
      '{"image": "7.svg"}',
      '"text"',
      '{"image": "8.svg", "caption": {"raw": "from an object"}, "text": null}',
    ];
    const file = await put('rows.jsonl', rows.join('\n'));
    const { splits, quarantine } = await prepared({ p: { source: 'jsonl', file, ...none } });
    expect(splits['train']).toEqual([
      { id: '0.svg', texts: ['fine'] },
      { id: '8.svg', texts: ['from an object'] },
    ]);
    expect(quarantine).toEqual({
      'bad-json': 2,
      'bad-text': 1,
      'empty-caption': 2,
      'no-caption': 3,
      'no-image': 1,
      'no-image-name': 1,
    });
  });

  it('refuses one picture with several labels, and tells of one in several splits', async () => {
    for (let n = 0; n < 3; n += 1) await put(`k/${n}.svg`, picture(n));
    const rows = [
      '0.svg,a,train',
      '0.svg,a,train',
      '1.svg,a,train',
      '1.svg,b,train',
      '2.svg,b,train',
      '2.svg,b,test',
    ];
    const file = await put('t.csv', ['image,label,split', ...rows].join('\n'));
    const { splits, quarantine, overlaps } = await prepared({
      p: { source: 'labelled-table', file, images: at('k') },
    });
    expect(splits).toEqual({
      train: [
        { id: '0.svg', label: 'a' },
        { id: '2.svg', label: 'b' },
      ],
      test: [{ id: '2.svg~2', label: 'b' }],
    });
    expect(quarantine).toEqual({ 'several-labels': 1 });
    expect(overlaps).toEqual([{ splits: ['test', 'train'], rows: 1, example: ['2.svg', '2.svg~2'] }]);
  });
});
