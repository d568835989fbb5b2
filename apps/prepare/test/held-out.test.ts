/** Which samples are held out where a source names the split `train` alone, and what is said where none is. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prepare } from '@polygate/app-prepare';
import { silentLogger, type Logger } from '@polygate/core';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-held-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const put = async (path: string, content: string): Promise<void> => {
  await mkdir(join(root, path, '..'), { recursive: true });
  await writeFile(join(root, path), content);
};

/** Splits with rows of the dataset `own`, and what was warned of. */
const prepared = async (settings: object): Promise<{ splits: readonly string[]; said: string[] }> => {
  const said: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (text: string) => void said.push(text) };
  const recipe = { name: 'own', image: { size: 8 }, baselines: false, sources: { own: settings } };
  const { suite } = await prepare({ recipe, workDirectory: root, force: true }, { logger });
  const counts = Object.entries(suite.datasets[0]?.splits ?? {}).filter(([, { rows }]) => rows > 0);
  return { splits: counts.map(([split]) => split), said };
};

const drawn =
  /^prepare own: the source names the split train alone: others are drawn from it \(train \d+, validation \d+, test \d+\); "split": "train" leaves all samples there$/u;
const nothing =
  'prepare own: nothing is held out (train 40), so evaluate will have nothing to score: set validationPercent and testPercent, or add a source of this dataset with "split": "test"';
const shares = { validationPercent: 30, testPercent: 30 };

/** Forty rows in two layouts that say `train` of each. */
const sources: readonly (readonly [string, object])[] = [
  ['a folder', { source: 'image-folder', path: 'photos' }],
  ['a field of lines', { source: 'jsonl', kind: 'text', file: 'texts.jsonl' }],
];

describe('a source that names the split train alone', () => {
  beforeEach(async () => {
    for (let i = 0; i < 40; i += 1) {
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="60" height="9"><rect width="${i + 9}" height="9" fill="red"/></svg>`;
      await put(`photos/train/${i % 2 === 0 ? 'even' : 'odd'}/${i}.svg`, svg);
    }
    const lines = Array.from({ length: 40 }, (_, i) => JSON.stringify({ text: `line ${i}`, split: 'train' }));
    await put('texts.jsonl', lines.join('\n'));
  });

  it.each(sources)('has others drawn from it, and that is said: %s', async (_, source) => {
    const { splits, said } = await prepared({ ...source, ...shares });
    expect(splits).toEqual(['train', 'validation', 'test']);
    expect(said).toEqual([expect.stringMatching(drawn)]);
  });

  it.each(sources)('keeps all samples where the recipe says so, and is told of: %s', async (_, source) => {
    for (const choice of [{ split: 'train' }, { validationPercent: 0, testPercent: 0 }]) {
      const { splits, said } = await prepared({ ...source, ...shares, ...choice });
      expect({ splits, said }).toEqual({ splits: ['train'], said: [nothing] });
    }
  });
});

describe('training', () => {
  it('that is left without a sample by chance is told of; a source that names other splits alone is not', async () => {
    for (const i of [1, 2]) {
      await put(
        `photos/cat/${i}.svg`,
        `<svg xmlns="http://www.w3.org/2000/svg" width="60" height="9"><rect width="${9 + i}" height="9" fill="red"/></svg>`,
      );
    }
    const source = { source: 'image-folder', path: 'photos' };
    const { splits, said } = await prepared({ ...source, validationPercent: 90, testPercent: 0 });
    expect([splits, said]).toEqual([
      ['validation'],
      [
        'prepare own: no sample is left to train on (validation 2): lower validationPercent and testPercent, or add samples',
      ],
    ]);
    expect((await prepared({ ...source, split: 'validation' })).said).toEqual([]);
  });

  it('on nothing at all is refused: there is no list of what was left out', async () => {
    await put('empty.jsonl', '');
    await expect(prepared({ source: 'jsonl', kind: 'text', file: 'empty.jsonl' })).rejects.toThrow(
      /^prepare own: expected rows, got none \(no sample was found\); give a source that holds some: its file may be empty, or a header alone$/u,
    );
  });
});

describe('a split of one sample', () => {
  it('is told of', async () => {
    for (const [split, count] of [
      ['train', 3],
      ['val', 1],
      ['test', 2],
    ] as const)
      for (let i = 0; i < count; i += 1)
        await put(
          `photos/${split}/cat/${i}.svg`,
          `<svg xmlns="http://www.w3.org/2000/svg" width="60" height="9"><rect width="${9 + i}" height="9" fill="${{ train: 'red', val: 'lime', test: 'blue' }[split]}"/></svg>`,
        );
    const { splits, said } = await prepared({ source: 'image-folder', path: 'photos' });
    expect(splits).toEqual(['train', 'validation', 'test']);
    expect(said).toContain(
      'prepare own: validation holds one sample (train 3, validation 1, test 2): scores of one sample say nothing of others; hold out more (validationPercent and testPercent, or samples of that split)',
    );
  });
});

describe('data without named splits', () => {
  it('is told of where nothing of it is held out', async () => {
    await put('a.txt', Array.from({ length: 40 }, (_, i) => `line ${i}`).join('\n'));
    const source = { source: 'plain-text', files: ['a.txt'], unit: 'line' };
    expect((await prepared({ ...source, validationPercent: 0, testPercent: 0 })).said).toEqual([nothing]);
    expect((await prepared({ ...source, ...shares })).said).toEqual([]);
  });
});
