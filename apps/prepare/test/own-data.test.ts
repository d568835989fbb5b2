import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepare } from '@polygate/app-prepare';
import { splitFolder, suiteDataset } from '@polygate/datasets';
import { nestedListRow, openShards, textRow } from '@polygate/stream';
import { loadTokenizer } from '@polygate/tokens';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-own-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const image = (colour: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><rect width="20" height="10" fill="${colour}"/></svg>`;

/** The signature of a PNG, and then nothing that belongs there. */
const damaged = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(200, 7)]);

const put = async (path: string, content: string | Uint8Array): Promise<void> => {
  await mkdir(join(root, path, '..'), { recursive: true });
  await writeFile(join(root, path), content);
};

const quarantine = async (directory: string): Promise<unknown[]> =>
  (await readFile(join(directory, 'quarantine.jsonl'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { dataset, id, code } = JSON.parse(line) as Record<string, string>;
      return [dataset, id, code];
    });

/** Twenty good images with captions, and each kind of bad one. */
const photos = async (): Promise<void> => {
  const table = ['image,caption'];
  for (let i = 0; i < 20; i += 1) {
    await put(`photos/${i}.svg`, image(i % 2 === 0 ? 'red' : 'blue'));
    table.push(`${i}.svg,"a ${i % 2 === 0 ? 'red' : 'blue'} field, number ${i}"`);
  }
  await put('photos/damaged.png', damaged);
  table.push('damaged.png,a damaged one', 'gone.png,a missing one', '3.svg,', '4.svg,one <|endoftext|> two');
  await put('captions.csv', `${table.join('\n')}\n`);
};

const settings = [
  'name=own',
  'image.size=16',
  'sources.photos.file=captions.csv',
  'sources.photos.images=photos',
];
const options = (set: readonly string[] = []) => ({
  recipe: 'captions',
  set: [...settings, ...set],
  output: 'data',
  workDirectory: root,
});

describe('own images with captions', () => {
  it('become a suite; each bad sample is listed with its reason', async () => {
    await photos();
    const { directory, suite } = await prepare(options());
    expect(await quarantine(directory)).toEqual(
      expect.arrayContaining([
        ['photos', '3.svg (line 24)', 'empty-caption'],
        ['photos', 'damaged.png', 'corrupt-image'],
        ['photos', 'gone.png', 'missing-file'],
        ['photos', '4.svg#1', 'special-token'],
      ]),
    );
    expect(suite.quarantine).toEqual({
      'corrupt-image': 1,
      'empty-caption': 1,
      'missing-file': 1,
      'special-token': 1,
    });
    const dataset = suiteDataset(suite, 'photos');
    // 20 good images; nothing is lost, whatever split the hash gave them.
    expect(Object.values(dataset.splits).reduce((sum, { rows }) => sum + rows, 0)).toBe(20);
    const tokenizer = await loadTokenizer(join(directory, 'tokenizer.json'));
    const shards = await openShards(splitFolder(directory, dataset, 'train'));
    const batch = await shards.read([0]);
    const id = textRow(batch, 'id', 0);
    const colour = Number.parseInt(id, 10) % 2 === 0 ? 'red' : 'blue';
    expect(
      nestedListRow(batch, 'captions', 0).map((ids) => tokenizer.decode(Array.from(ids, Number))),
    ).toEqual([`a ${colour} field, number ${Number.parseInt(id, 10)}`]);
    await shards.close();
  });

  it('are prepared anew when the table changes, and left alone when not', async () => {
    await photos();
    expect((await prepare(options())).reused).toBe(false);
    expect((await prepare(options())).reused).toBe(true);
    expect((await prepare(options(['image.size=8']))).reused).toBe(false);
    await put('captions.csv', 'image,caption\n1.svg,other words\n2.svg,more words\n');
    const { suite } = await prepare(options(['image.size=8']));
    expect(suite.datasets[0]?.splits).not.toHaveProperty('other');
    expect(Object.values(suite.datasets[0]?.splits ?? {}).reduce((sum, { rows }) => sum + rows, 0)).toBe(2);
  });

  it('stop with the list of reasons when too many are bad, and leave no half suite', async () => {
    await photos();
    await put(
      'captions.csv',
      ['image,caption', ...Array.from({ length: 9 }, (_, i) => `none${i}.png,x`)].join('\n'),
    );
    await expect(prepare(options(['limits.run=3']))).rejects.toThrow(
      /^prepare photos: expected few bad samples, got missing-file 4 \(last: none\d\.png: expected an image file, got nothing at its path\); they are listed in .*own\.quarantine\.jsonl: mend the source, or raise limits\.rate and limits\.run$/u,
    );
    expect(await readdir(join(root, 'data'))).toEqual(['own.quarantine.jsonl']);
    await expect(prepare(options())).rejects.toThrow(
      'prepare photos: expected rows, got none (missing-file 9); they are listed in ',
    );
  });

  it('leave nothing behind when stopped', async () => {
    await photos();
    const controller = new AbortController();
    const stop = { signal: controller.signal, progress: () => controller.abort() };
    await expect(prepare(options(), stop)).rejects.toThrow('aborted');
    expect(await readdir(root)).not.toContain('data');
    expect((await prepare(options())).reused).toBe(false);
  });

  it('name the wrong column, the missing file and the unwritable folder', async () => {
    await photos();
    await expect(prepare(options(['sources.photos.captionColumn=words']))).rejects.toThrow(
      'expected the caption column to be named "words", got the columns "image", "caption"; set captionColumn',
    );
    await expect(prepare(options(['sources.photos.file=none.csv']))).rejects.toThrow(
      `captions file: expected a file, got nothing at ${join(root, 'none.csv')}`,
    );
    await put('blocked', 'a file');
    await expect(prepare({ ...options(), output: 'blocked/data' })).rejects.toThrow(
      'a part of the path is a file; choose another folder',
    );
  });
});

describe('own data of other kinds', () => {
  it('joins sources of one dataset and keeps their splits', async () => {
    for (const [side, classes] of [
      ['train', ['cat', 'dog']],
      ['val', ['dog', 'emu']],
    ] as const) {
      for (const name of classes) await put(`${side}/${name}/1.svg`, image('red'));
    }
    const { suite, directory } = await prepare({
      recipe: {
        name: 'animals',
        image: { size: 8 },
        sources: {
          animals: { source: 'image-folder', path: 'train', split: 'train' },
          more: { source: 'image-folder', path: 'val', split: 'test', dataset: 'animals' },
        },
      },
      workDirectory: root,
      output: 'data',
    });
    const [dataset] = suite.datasets;
    expect(dataset).toMatchObject({
      name: 'animals',
      classes: ['cat', 'dog', 'emu'],
      splits: { train: { rows: 2 }, test: { rows: 2 } },
    });
    const shards = await openShards(join(directory, 'animals', 'test'));
    const batch = await shards.read([0, 1]);
    const column = batch.getChild('label')?.toArray() as Int32Array;
    expect([...column]).toEqual([1, 2]);
    expect(textRow(batch, 'id', 1)).toBe('more/emu/1.svg');
    await shards.close();
  });

  it('reads text and labelled text', async () => {
    await put('book.txt', Array.from({ length: 60 }, (_, i) => `Paragraph ${i} of a book.\n`).join('\n'));
    await put(
      'pairs.tsv',
      ['a\tb\tlabel', ...Array.from({ length: 40 }, (_, i) => `One ${i}.\tTwo.\t${i % 2}`)].join('\n'),
    );
    const { suite } = await prepare({
      recipe: {
        name: 'words',
        tokenizer: { vocabularySize: 300 },
        sources: {
          book: { source: 'plain-text', files: ['book.txt'] },
          pairs: { source: 'labelled-tsv', file: 'pairs.tsv', textColumns: ['a', 'b'], labelColumn: 'label' },
        },
      },
      workDirectory: root,
      output: 'data',
    });
    expect(suite.datasets.map(({ name, kind, classes }) => [name, kind, classes])).toEqual([
      ['book', 'text', undefined],
      ['pairs', 'labelled-text', ['0', '1']],
    ]);
  });
});

describe('a killed preparation', () => {
  it('leaves either no suite or a whole one', async () => {
    await photos();
    // The child dies by SIGKILL in the middle of its rows: nothing of it can run any more.
    const script = `
      const { mkdirSync, writeFileSync } = require('node:fs');
      mkdirSync(process.argv[1], { recursive: true });
      writeFileSync(process.argv[1] + '/shard', 'half');
      process.kill(process.pid, 'SIGKILL');`;
    const remains = join(root, 'data', '.own.11111111-2222-3333-4444-555555555555.tmp');
    await new Promise((resolve) => execFile(process.execPath, ['-e', script, remains], resolve));
    expect(await readdir(join(root, 'data'))).toHaveLength(1);
    const { directory } = await prepare(options());
    expect(await readdir(join(root, 'data'))).toEqual(['own']);
    expect(directory).toBe(join(root, 'data', 'own'));
  });
});
