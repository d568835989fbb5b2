/** Runs that learn from a part of a split: which samples, written down, given back and gone on with. */
import { parseRecipe, type RecipeInput } from '@polygate/generalist';
import { trainRecipe } from '@polygate/runs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinySuite } from '../../generalist/test/tiny-suite.ts';

type Task = NonNullable<RecipeInput['tasks']>[string];

let suite = '';
let scratch = '';
beforeAll(async () => {
  suite = await writeTinySuite();
  scratch = await mkdtemp(join(tmpdir(), 'polygate-subsets-'));
});
afterAll(async () => {
  await rm(suite, { recursive: true, force: true });
  await rm(scratch, { recursive: true, force: true });
});

const recipe = (subset: Task['subset'], change: RecipeInput = {}) =>
  parseRecipe({
    suite,
    steps: '2 steps',
    engine: 'wasm',
    model: { preset: 'mini', layers: 1, width: 16, heads: 2, hidden: 32, patchSize: 4, maxPositions: 32 },
    checkpoint: { every: '1 step', keep: 3 },
    tasks: { naming: { family: 'image-classification', dataset: 'colours', batchSize: 4, subset } },
    ...change,
  });

const listOf = (run: string): Promise<string> => readFile(join(run, 'subsets', 'naming.json'), 'utf8');
const idsOf = async (run: string): Promise<readonly string[]> =>
  (JSON.parse(await listOf(run)) as { ids: string[] }).ids;
const weightsOf = (run: string, step: number): Promise<Buffer> =>
  readFile(join(run, 'checkpoints', `step-${step}`, 'model.safetensors'));

describe('a run on a subset', () => {
  it('writes down its samples, which the seed of the run does not change', async () => {
    const run = join(scratch, 'first');
    await trainRecipe({ recipe: recipe({ perClass: 1 }), run });
    const ids = await idsOf(run);
    // One of the four samples of each of four classes, named COLOUR-SHAPE-NUMBER.
    expect(ids.map((id) => id.split('-')[0]).sort()).toEqual(['blue', 'green', 'red', 'white']);
    expect(JSON.parse(await listOf(run))).toMatchObject({
      dataset: 'colours',
      split: 'train',
      rule: { perClass: 1, seed: 1 },
      of: 16,
    });
    const other = join(scratch, 'other-seed');
    await trainRecipe({ recipe: recipe({ perClass: 1 }, { seed: 9 }), run: other });
    expect(await idsOf(other)).toEqual(ids);
    const drawn = join(scratch, 'other-subset');
    await trainRecipe({ recipe: recipe({ perClass: 1, seed: 2 }), run: drawn });
    expect(await idsOf(drawn)).not.toEqual(ids);
  });

  it('learns the same from the list that another wrote', async () => {
    const first = join(scratch, 'first');
    const run = join(scratch, 'from-list');
    await trainRecipe({ recipe: recipe({ list: join(first, 'subsets', 'naming.json') }), run });
    expect(await idsOf(run)).toEqual(await idsOf(first));
    expect(await weightsOf(run, 2)).toEqual(await weightsOf(first, 2));
    const text = join(scratch, 'ids.txt');
    await writeFile(text, (await idsOf(first)).join('\n'));
    const named = join(scratch, 'from-text');
    await trainRecipe({ recipe: recipe({ list: text }), run: named });
    expect(await weightsOf(named, 2)).toEqual(await weightsOf(first, 2));
  });

  it('goes on with the samples that it began with, also without the file', async () => {
    const list = join(scratch, 'gone.txt');
    await writeFile(list, 'red-bar-0\nblue-bar-1\nwhite-square-0\ngreen-bar-0\n');
    const whole = join(scratch, 'whole');
    await trainRecipe({ recipe: recipe({ list }), run: whole });
    const part = join(scratch, 'part');
    await cp(whole, part, { recursive: true });
    await rm(join(part, 'checkpoints', 'step-2'), { recursive: true });
    await writeFile(list, 'red-bar-0\n');
    await rm(list);
    await trainRecipe({ recipe: recipe({ list }), run: part });
    expect(await weightsOf(part, 2)).toEqual(await weightsOf(whole, 2));
  });

  it('is refused where the data can not give it, before a folder is made', async () => {
    const run = join(scratch, 'refused');
    await expect(trainRecipe({ recipe: recipe({ perClass: 5 }), run })).rejects.toThrow(
      'subset of colours, train: expected 5 samples of each class, got 4 of class "red"; choose perClass of at most 4',
    );
    await expect(trainRecipe({ recipe: recipe({ list: join(scratch, 'none.txt') }), run })).rejects.toThrow(
      'expected a file with ids, got none that can be read; correct subset.list',
    );
    await expect(readFile(join(run, 'recipe.json'))).rejects.toThrow('ENOENT');
    expect(() => recipe({ perClass: 1, share: 0.5 })).toThrow('expected one of share, perClass and list');
    expect(() => recipe({})).toThrow('expected one of share, perClass and list');
  });
});
