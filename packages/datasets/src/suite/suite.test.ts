import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FormatError } from '@polygate/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSuite, splitFolder, suiteDataset, type Suite } from './suite.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-suite-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const suite: Suite = {
  name: 's',
  version: 1,
  image: { height: 8, width: 8 },
  textLength: 16,
  tokenizerHash: 'h',
  datasets: [{ name: 'digits', kind: 'labelled-image', splits: { train: { rows: 3 } }, classes: ['a'] }],
  quarantine: {},
  recipeHash: 'r',
};

const read = async (value: unknown): Promise<Suite> => {
  await writeFile(join(root, 'suite.json'), typeof value === 'string' ? value : JSON.stringify(value));
  return readSuite(root);
};

describe('suite.json', () => {
  it('is read back, with folders by dataset and split', async () => {
    const back = await read(suite);
    expect(back).toEqual(suite);
    expect(splitFolder(root, suiteDataset(back, 'digits'), 'train')).toBe(join(root, 'digits', 'train'));
    expect(() => suiteDataset(back, 'digit')).toThrow(
      'unknown dataset "digit": did you mean "digits"? known: digits',
    );
    expect(() => splitFolder(root, suiteDataset(back, 'digits'), 'test')).toThrow(
      'unknown split of digits "test": known: train',
    );
  });

  it('says what is wrong with it', async () => {
    await expect(readSuite(join(root, 'none'))).rejects.toThrow(
      `suite: expected a prepared folder, got no suite.json in ${join(root, 'none')}; run prepare first`,
    );
    await expect(read('{')).rejects.toThrow(
      'expected JSON, got the end of the text at 1:2; run prepare again',
    );
    await expect(read({ ...suite, version: 2 })).rejects.toThrow('expected version 1, got 2');
    await expect(read({ ...suite, image: { height: 8 } })).rejects.toThrow(
      'expected "image" with height and width',
    );
    await expect(read({ ...suite, datasets: [{ name: 'x', kind: 'text' }] })).rejects.toThrow(
      'expected splits by name for x, got nothing',
    );
    await expect(read({ ...suite, tokenizerHash: 4 })).rejects.toThrow('expected a text "tokenizerHash"');
    const [digits] = suite.datasets;
    for (const splits of [{ train: null }, { train: { rows: -1 } }, { train: { rows: '3' } }, []])
      await expect(read({ ...suite, datasets: [{ ...digits, splits }] })).rejects.toThrow(FormatError);
  });

  it('refuses scores, overlaps, counts and images that are none', async () => {
    const [digits] = suite.datasets;
    const overlap = { splits: ['train', 'test'], rows: 1, example: ['a', 'b'] };
    const good = { ...digits, baselines: { test: { chance: 0.5 } }, overlaps: [overlap] };
    await expect(read({ ...suite, datasets: [good] })).resolves.toMatchObject({ datasets: [good] });
    for (const [change, problem] of [
      [{ baselines: { test: { chance: '0.5' } } }, 'expected baselines by split for digits, got'],
      [{ overlaps: null }, 'expected overlaps of two splits each for digits, got null'],
      [{ overlaps: [{ ...overlap, splits: ['train'] }] }, 'expected overlaps of two splits each'],
      [{ mostFrequentCaption: 3 }, 'expected a text "mostFrequentCaption" for digits, got 3'],
    ] as const)
      await expect(read({ ...suite, datasets: [{ ...digits, ...change }] })).rejects.toThrow(problem);
    for (const [change, problem] of [
      [{ datasets: [digits, digits] }, 'expected datasets of different names, got "digits" twice'],
      [{ quarantine: { a: 'b' } }, 'expected counts "quarantine", got {"a":"b"}'],
      [{ notes: [] }, 'expected counts "notes", got []'],
      [
        { image: { height: 8, width: 8, fit: 'fill' } },
        'expected "image.fit" of contain or cover, got "fill"',
      ],
      [
        { image: { height: 8, width: 8, background: 'whit' } },
        'expected a colour "image.background", got "whit"',
      ],
      [
        { files: { '../../etc/passwd': { bytes: 1, sha256: 'x' } } },
        'expected paths of files inside the suite',
      ],
      [{ files: { '/etc/passwd': { bytes: 1, sha256: 'x' } } }, 'expected paths of files inside the suite'],
      [{ files: { 'a/b': { bytes: -1, sha256: 'x' } } }, 'expected bytes and sha256 of "a/b", got'],
    ] as const)
      await expect(read({ ...suite, ...change })).rejects.toThrow(problem);
  });

  it('refuses names that leave the folder', async () => {
    const [digits] = suite.datasets;
    for (const name of ['../../etc', '..', '', 'a/b', '/etc', 'a\\b'])
      await expect(read({ ...suite, datasets: [{ ...digits, name }] })).rejects.toThrow(
        'expected names of datasets that are names of folders, got',
      );
    await expect(
      read({ ...suite, datasets: [{ ...digits, splits: { '../train': { rows: 3 } } }] }),
    ).rejects.toThrow('expected names of splits that are names of folders for digits, got "../train"');
  });

  it('refuses links that leave the folder, unless they are followed', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'polygate-outside-'));
    await symlink(outside, join(root, 'digits'), 'dir');
    await mkdir(join(outside, 'train'));
    await expect(read(suite)).rejects.toThrow('expected a path inside');
    await expect(readSuite(root, { links: 'follow' })).resolves.toEqual(suite);
    await rm(join(root, 'digits'));
    await rm(outside, { recursive: true });
  });
});
