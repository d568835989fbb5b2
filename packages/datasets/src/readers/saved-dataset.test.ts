import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSavedDataset } from './saved-dataset.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-saved-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));
const put = async (path: string, value: unknown): Promise<void> => {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), typeof value === 'string' ? value : JSON.stringify(value));
};

describe('a saved dataset', () => {
  it('is told from other folders', async () => {
    await put('data.arrow', '');
    await expect(openSavedDataset({ path: root })).rejects.toThrow(
      /expected state\.json or dataset_dict\.json, got neither; give the folder that save_to_disk wrote$/u,
    );
    await expect(openSavedDataset({ path: join(root, 'none') })).rejects.toThrow(
      /^saved dataset: expected a folder, got nothing/u,
    );
  });

  it('reads no file that lies elsewhere, and no split', async () => {
    await put('state.json', { _data_files: [{ filename: '../secret.arrow' }] });
    await expect(openSavedDataset({ path: root })).rejects.toMatchObject({
      name: 'FormatError',
      message:
        'state.json: expected the name of a file in its own folder, got "../secret.arrow"; save the dataset again',
    });
    await put('dataset_dict.json', { splits: ['/etc'] });
    await expect(openSavedDataset({ path: root })).rejects.toThrow(
      /^dataset_dict\.json: expected the name of a file/u,
    );
  });

  it('says what is missing or damaged', async () => {
    await put('state.json', { _data_files: [{ filename: 'data-0.arrow' }] });
    await expect(openSavedDataset({ path: root })).rejects.toThrow(
      /^saved dataset: expected a file, got nothing at .*data-0\.arrow/u,
    );
    await put('state.json', { _data_files: [] });
    await expect(openSavedDataset({ path: root })).rejects.toThrow(
      /expected files of rows, got an empty list/u,
    );
    await put('state.json', '[1]');
    await expect(openSavedDataset({ path: root })).rejects.toThrow(
      /^state\.json: expected an object, got \[1\]/u,
    );
    await put('state.json', { _data_files: [], _indices_data_files: [{ filename: 'indices.arrow' }] });
    await expect(openSavedDataset({ path: root })).rejects.toThrow(/flatten_indices\(\)\.save_to_disk/u);
  });
});
