/** What a run folder refuses: a second process, other data, a damaged checkpoint, a recipe.json that is none. */
import { prepare } from '@polygate/app-prepare';
import { loadModel } from '@polygate/generalist';
import { openRun } from '@polygate/runs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { pretrain } from '../src/index.ts';
import { precisionOf } from '../../../packages/runs/src/run-folder.ts';

let folder = '';
let suite = '';
const prepareDiscs = async () =>
  prepare({
    recipe: 'image-folder',
    set: ['name=discs', 'image.size=16', 'sources.photos.path=discs'],
    workDirectory: folder,
  });
const disc = (colour: string, radius: number): Promise<void> =>
  writeFile(
    join(folder, 'discs', colour, `${radius}.svg`),
    `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16"><circle cx="8" cy="8" r="${radius}" fill="${colour}"/></svg>`,
  );

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-run-folder-'));
  for (const colour of ['red', 'blue']) {
    await mkdir(join(folder, 'discs', colour), { recursive: true });
    for (let radius = 1; radius <= 8; radius += 1) await disc(colour, radius);
  }
  suite = (await prepareDiscs()).directory;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const train = (name: string, steps = 4, settings: object = {}) =>
  pretrain({
    recipe: {
      suite,
      model: { preset: 'mini-moe', layers: 1, width: 8, heads: 2, hidden: 8 },
      tasks: { colour: { family: 'image-classification', dataset: 'photos', batchSize: 4 } },
      steps: `${steps} steps`,
      checkpoint: { every: '2 steps', keep: 3 },
      engine: 'wasm',
      ...settings,
    },
    run: join(folder, name),
  });

it('trains for one at a time, and leaves no folder of a run that did not begin', async () => {
  const both = await Promise.allSettled([train('both'), train('both')]);
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(both.find((one) => one.status === 'rejected')?.reason).toMatchObject({ code: 'locked' });
  expect((await readdir(join(folder, 'both'))).sort()).toEqual([
    'checkpoints',
    'metrics.jsonl',
    'recipe.json',
  ]);
  await expect(
    pretrain({ recipe: { suite: join(folder, 'none'), engine: 'wasm' }, run: join(folder, 'new', 'run') }),
  ).rejects.toMatchObject({ code: 'suite-missing' });
  expect(await readdir(folder)).not.toContain('new');
});

it('takes no checkpoint of another run, though seed, data and sizes are the same', async () => {
  const optimizer = { learningRate: 0.01 };
  const [mine, other] = [await train('mine'), await train('other', 4, { optimizer })];
  await rm(mine.checkpoint, { recursive: true });
  await cp(other.checkpoint, mine.checkpoint, { recursive: true });
  const refused = {
    code: 'checkpoint-damaged',
    message: expect.stringMatching(
      /step-4: state.json: expected a checkpoint of the run that its folder is of \([0-9a-f]{64}\), got one of another run \([0-9a-f]{64}\); .*--resume last-good/u,
    ) as string,
  };
  await expect(openRun(join(folder, 'mine'))).rejects.toMatchObject(refused);
  await expect(train('mine')).rejects.toMatchObject(refused);
  // A folder may be moved, and what it holds stays its own.
  await cp(join(folder, 'other'), join(folder, 'moved'), { recursive: true });
  using moved = await openRun(join(folder, 'moved'));
  expect(moved.state?.step).toBe(4);
  // Runs of older versions are known by nothing.
  const recipe = join(folder, 'mine/recipe.json');
  const { run: _, ...older } = JSON.parse(await readFile(recipe, 'utf8')) as Record<string, unknown>;
  await writeFile(recipe, JSON.stringify(older));
  using opened = await openRun(join(folder, 'mine'));
  expect(opened.state?.step).toBe(4);
});

it('names what a checkpoint lacks', async () => {
  const { checkpoint } = await train('lacking');
  await rm(join(checkpoint, 'config.json'));
  await expect(openRun(join(folder, 'lacking'))).rejects.toThrow(
    `checkpoint ${checkpoint}: config.json: expected a file, got none; the checkpoint is damaged`,
  );
});

it('goes on with the data that it began with alone', async () => {
  const { checkpoint } = await train('data');
  await disc('red', 9);
  await prepareDiscs();
  await expect(train('data')).rejects.toMatchObject({
    code: 'data-differs',
    fields: { sources: ['colour'] },
  });
  await rm(join(folder, 'discs', 'red', '9.svg'));
  await prepareDiscs();
  expect((await train('data')).checkpoint).toBe(checkpoint);
});

it('names a damaged checkpoint to everything that opens it', async () => {
  const { run, checkpoint } = await train('damaged');
  const path = join(checkpoint, 'model.safetensors');
  const bytes = await readFile(path);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await writeFile(path, bytes);
  for (const open of [() => loadModel(run), () => loadModel(checkpoint), () => train('damaged')]) {
    await expect(open()).rejects.toThrow(`checkpoint ${checkpoint}: model.safetensors: expected SHA-256`);
  }
  expect((await loadModel(join(checkpoint, '..', 'step-2'))).parameters.size).toBeGreaterThan(0);
});

it('refuses a recipe.json that is none', async () => {
  const { run } = await train('recipe');
  await writeFile(join(run, 'recipe.json'), '{"recipe":');
  await expect(train('recipe')).rejects.toThrow(
    `run ${run}: recipe.json: expected JSON, got the end of the text at 1:11; choose another run folder`,
  );
  await writeFile(join(run, 'recipe.json'), 'null');
  await expect(train('recipe')).rejects.toMatchObject({ code: 'run-recipe-differs' });
  // Without it nobody knows what the checkpoints were made with: any settings would do.
  await rm(join(run, 'recipe.json'));
  await expect(train('recipe')).rejects.toThrow(
    `run ${run}: expected recipe.json with the settings that its checkpoints were made with, got none that can be read; restore it from a copy, or choose another --run folder`,
  );
});

it('goes on in the precision that was measured when it began', async () => {
  await train('precision', 2, { precision: 'auto' });
  // The recipe's own word and what came of it are recorded, and the same recipe goes on.
  const { recipe: measured, step } = await train('precision', 2, { precision: 'auto' });
  const run = join(folder, 'precision');
  const file = join(run, 'recipe.json');
  const stored = JSON.parse(await readFile(file, 'utf8')) as { engine: object };
  expect({ step, stored }).toMatchObject({
    step: 2,
    stored: { recipe: { precision: 'auto' }, engine: { name: 'wasm', precision: 'f32' } },
  });
  const beginWith = (precision: unknown) =>
    writeFile(file, JSON.stringify({ recipe: measured, engine: { ...stored.engine, precision } }));
  await beginWith('bf16');
  expect(await precisionOf(run, measured)).toBe('bf16');
  expect(await precisionOf(run, { ...measured, precision: 'f32' })).toBe('f32');
  await beginWith('f32');
  expect(await precisionOf(run, measured)).toBe('f32');
  // A new run measures, and so does one that does not say what it was.
  expect(await precisionOf(join(folder, 'nowhere'), measured)).toBe('auto');
  await beginWith(8);
  expect(await precisionOf(run, measured)).toBe('auto');
});

const refused = async (name: string, settings: object): Promise<string> => {
  const error = await pretrain({
    recipe: {
      suite,
      model: { preset: 'mini-moe', layers: 1, width: 8, heads: 2, hidden: 8 },
      tasks: { colour: { family: 'image-classification', dataset: 'photos', batchSize: 4 } },
      steps: 1,
      engine: 'wasm',
      ...settings,
    },
    run: join(folder, name),
  }).then(
    () => new Error('trained'),
    (thrown: Error) => thrown,
  );
  expect(error).toMatchObject({ name: 'ConfigError', code: 'memory' });
  return error.message;
};

it('asks the size of a run before anything of it is allocated', async () => {
  const large = { preset: 'mini-moe', layers: 64, width: 8192, heads: 2, hidden: 32_768 };
  // 64 layers, 8 experts of 4 D D + 2 D H weights: 412 thousand million, 16 bytes each.
  expect(await refused('large', { model: large })).toMatch(
    /^pretrain pretrain: 4\d{5}\.\dM parameters in training \(6\.\d TiB\) and the largest batch \(task "colour"\): expected to need at most the .* (?:this machine|the control group \(cgroup\) of this process) has, got 6\.\d TiB; choose a smaller model, or set memoryBytes to go on anyway$/u,
  );
  const batches = { colour: { family: 'image-classification', dataset: 'photos', batchSize: 2 ** 20 } };
  const ofBatch =
    'choose a smaller tasks.colour.batchSize with accumulate, or set memoryBytes to go on anyway';
  expect(await refused('batch', { tasks: batches, memoryBytes: 2 ** 30 })).toContain(
    `expected to need at most the 1.0 GiB that were set, got`,
  );
  expect(await refused('batch', { tasks: batches, memoryBytes: 2 ** 30 })).toContain(ofBatch);
  expect(await readdir(folder)).not.toContain('batch');
});
