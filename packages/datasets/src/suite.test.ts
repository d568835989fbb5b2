import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
    await expect(read('{')).rejects.toThrow('expected JSON, got text that does not parse; run prepare again');
    await expect(read({ ...suite, version: 2 })).rejects.toThrow('expected version 1, got 2');
    await expect(read({ ...suite, image: { height: 8 } })).rejects.toThrow(
      'expected "image" with height and width',
    );
    await expect(read({ ...suite, datasets: [{ name: 'x' }] })).rejects.toThrow(
      'expected datasets with name and splits',
    );
    await expect(read({ ...suite, tokenizerHash: 4 })).rejects.toThrow('expected a text "tokenizerHash"');
  });
});
