/** Models that packages ship, by the package's name: looked up, asked, scored and tuned through the command line. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { modelFolderOf, packagedModel } from '@polygate/generalist';
import { modelFolder } from '@polygate/mini';
import { describe, expect, it } from 'vitest';
import { useOwnData } from './own-data.ts';
import { polygate } from './polygate.ts';

const NAME = '@polygate/mini';
const data = useOwnData();

const drawing = (colour: string, x: number): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="48" height="48"><circle cx="${x}" cy="24" r="12" fill="${colour}"/></svg>`;

describe('the model of a package', () => {
  it('is found by the name, unless a folder has it', async () => {
    expect(await packagedModel(NAME)).toBe(modelFolder);
    expect(await modelFolderOf(NAME)).toBe(modelFolder);
    for (const other of ['@polygate/nothing', 'packages', './mini', '/mini', 'Mini', ''])
      expect(await packagedModel(other), other).toBeUndefined();
  });

  it('is missing, or lacks its entry, with the remedy', async () => {
    await expect(modelFolderOf('@polygate/nothing')).rejects.toThrow(
      /^model: expected a model folder or a run with a checkpoint at @polygate\/nothing, got neither config\.json nor checkpoints; run pretrain first, give the folder that it wrote, or install the package of that name$/u,
    );
    await expect(modelFolderOf('@polygate/minni')).rejects.toThrow(
      'got neither config.json nor checkpoints; did you mean "@polygate/mini"? else run pretrain first',
    );
    await expect(packagedModel('@polygate/core')).rejects.toThrow(
      /^model: expected a package whose package\.json names a model folder as polygate\.model, got @polygate\/core \(.*\) without; give the folder of a run or of a model$/u,
    );
  });

  it('is small, whole and says who made what it was trained on', async () => {
    const files = await readdir(modelFolder);
    expect(files.sort()).toEqual([
      'ATTRIBUTION.md',
      'config.json',
      'model.safetensors',
      'preprocessor_config.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const sizes = await Promise.all(files.map(async (file) => (await stat(join(modelFolder, file))).size));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(25e6);
    const { weights } = JSON.parse(await readFile(join(modelFolder, 'config.json'), 'utf8')) as {
      weights: { sha256: string };
    };
    const bytes = await readFile(join(modelFolder, 'model.safetensors'));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(weights.sha256);
  });

  it('answers, is scored with its results in a folder of the user, and is tuned', async () => {
    for (const [at, x] of [10, 16, 24, 30, 36, 40].entries()) {
      await data.put(`photos/train/red/${at}.svg`, drawing('#d02020', x));
      await data.put(`photos/train/blue/${at}.svg`, drawing('#2040d0', x + 1));
      await data.put(`photos/test/red/${at}.svg`, drawing('#e04030', x - 2));
      await data.put(`photos/test/blue/${at}.svg`, drawing('#4060e0', x + 3));
    }
    const asked = await polygate(
      'predict',
      'classify',
      data.at('photos/test/red/0.svg'),
      '--run',
      NAME,
      '--json',
    );
    expect((JSON.parse(asked.out) as { labels: unknown[] }).labels).toHaveLength(8);

    const suite = data.at('suite/photos');
    expect(
      await polygate('prepare', '--from', data.at('photos'), '--for', NAME, '--out', data.at('suite')),
    ).toMatchObject({ code: 0 });
    const results = 'results/mini';
    const isThere = existsSync(results);
    const scored = await polygate('evaluate', '--run', NAME, '--suite', suite);
    expect(scored).toMatchObject({ code: 0 });
    expect(existsSync(join(results, 'evaluation.json'))).toBe(true);
    if (!isThere) await rm(results, { recursive: true });
    expect(existsSync(join(modelFolder, 'evaluation.json'))).toBe(false);

    const run = data.at('tuned');
    const tuned = await polygate('tune', '--from', NAME, '--suite', suite, '--run', run, '--set', 'steps=2');
    expect(tuned, tuned.log).toMatchObject({ code: 0 });
    const again = await polygate(
      'predict',
      'classify',
      data.at('photos/test/red/0.svg'),
      '--run',
      run,
      '--json',
    );
    expect(again, again.log).toMatchObject({ code: 0 });
    // Moved to another depth, it finds the package by its name, as it does where that is given.
    await cp(run, data.at('deep/er/tuned'), { recursive: true });
    for (const base of [[], ['--base', NAME]]) {
      const moved = await polygate(
        'predict',
        'classify',
        data.at('photos/test/red/0.svg'),
        '--run',
        data.at('deep/er/tuned'),
        ...base,
        '--json',
      );
      expect(moved.out, moved.log).toEqual(again.out);
    }
  });
});
