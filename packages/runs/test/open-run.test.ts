/** Opening what training left: its engine and precision, its checkpoints, its suite. */
import { StateError, ConfigError } from '@polygate/core';
import { parseRecipe, type RecipeInput } from '@polygate/generalist';
import { openRun, trainRecipe } from '@polygate/runs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeTinySuite } from '../../generalist/test/tiny-suite.ts';

let suite = '';
let scratch = '';
let run = '';
const recipe = (change: RecipeInput = {}) =>
  parseRecipe({
    suite,
    model: { preset: 'mini', layers: 1, width: 16, heads: 2, hidden: 32, patchSize: 4, maxPositions: 32 },
    tasks: { naming: { family: 'image-classification', dataset: 'colours', batchSize: 2 } },
    steps: '4 steps',
    engine: 'wasm',
    checkpoint: { every: '2 steps', keep: 2 },
    validation: { every: '100%', splits: [] },
    ...change,
  });

beforeAll(async () => {
  suite = await writeTinySuite();
  scratch = await mkdtemp(join(tmpdir(), 'polygate-open-run-'));
  run = join(scratch, 'run');
  await trainRecipe({ recipe: recipe(), run });
});
afterAll(async () => {
  await rm(suite, { recursive: true, force: true });
  await rm(scratch, { recursive: true, force: true });
});

it('takes engine, precision and suite of the run, and the checkpoint that is asked for', async () => {
  using last = await openRun(run);
  expect(last).toMatchObject({ weights: join(run, 'checkpoints', 'step-4'), state: { step: 4 } });
  expect(last.engine).toMatchObject({ name: 'wasm', precision: 'f32' });
  expect(last.trainedOn).toEqual({ name: 'wasm', device: 'cpu', precision: 'f32' });
  await using data = await last.openSuite();
  expect(data.folder).toBe(suite);
  using earlier = await openRun(run, { checkpoint: 'step-2' });
  expect(earlier.state?.step).toBe(2);
  const [name = ''] = last.model.parameters.specs.map((spec) => spec.name);
  expect(await earlier.model.parameters.read(name)).not.toEqual(await last.model.parameters.read(name));
});

it('computes in the precision that a measurement gave the training, where the engine has it', async () => {
  const measured = join(scratch, 'measured');
  await cp(run, measured, { recursive: true });
  const path = join(measured, 'recipe.json');
  const stored = JSON.parse(await readFile(path, 'utf8')) as { recipe: object; engine: object };
  const changed = {
    recipe: { ...stored.recipe, precision: 'auto' },
    engine: { ...stored.engine, precision: 'bf16' },
  };
  await writeFile(path, JSON.stringify(changed));
  using opened = await openRun(measured);
  expect(opened.trainedOn?.precision).toBe('bf16');
  // The cpu engine has f32 alone; asked for bf16 by the caller, it is refused.
  expect(opened.engine.precision).toBe('f32');
  await expect(openRun(measured, { precision: 'bf16' })).rejects.toThrow(/bf16/u);
});

it('opens a model folder without a run, which names no suite', async () => {
  const folder = join(scratch, 'model');
  await cp(join(run, 'checkpoints', 'step-4'), folder, { recursive: true });
  using opened = await openRun(folder, { engine: 'wasm' });
  expect(opened.recipe).toBeUndefined();
  await expect(opened.openSuite()).rejects.toThrow(ConfigError);
  await using data = await opened.openSuite(suite);
  expect(data.folder).toBe(suite);
});

it('refuses a folder without weights, and a suite that the model can’t read', async () => {
  await expect(openRun(join(scratch, 'nowhere'))).rejects.toThrow(StateError);
  const other = join(scratch, 'other-suite');
  await cp(suite, other, { recursive: true });
  using opened = await openRun(run);
  const path = join(other, 'suite.json');
  const stored = JSON.parse(await readFile(path, 'utf8')) as object;
  await writeFile(path, JSON.stringify({ ...stored, image: { height: 16, width: 16 } }));
  await expect(opened.openSuite(other)).rejects.toMatchObject({ code: 'image-size-differs' });
});
