/** An optimizer in a module of somebody else, through the command line: trained, resumed, refused settings. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { polygate } from '../polygate.ts';
import { prepareSmallSuite, smallTrainingRecipe } from '../small-suite.ts';

let scratch: string;
let recipeFile: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-toy-optimizer-'));
  const { directory } = await prepareSmallSuite(scratch);
  recipeFile = join(scratch, 'toy.json');
  const recipe = {
    ...smallTrainingRecipe(directory),
    name: 'toy-optimizer',
    steps: '8 steps',
    checkpoint: { every: '4 steps', keep: 2 },
    tasks: { colours: { family: 'image-classification', dataset: 'colours', batchSize: 8 } },
    extensions: [join(import.meta.dirname, 'toy-optimizer.mjs')],
    optimizer: {},
  };
  await writeFile(recipeFile, JSON.stringify(recipe));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

const pretrain = (run: string, ...set: string[]) =>
  polygate(
    ...['pretrain', '--recipe', recipeFile, '--run', join(scratch, run)],
    ...['optimizer.kind=toy-sign', ...set].flatMap((setting) => ['--set', setting]),
  );
const filesOf = (run: string): Promise<Buffer[]> =>
  Promise.all(
    ['model.safetensors', 'optimizer.safetensors'].map((name) =>
      readFile(join(scratch, run, 'checkpoints', 'step-8', name)),
    ),
  );

it('trains a recipe that names it, and goes on with its state', async () => {
  const { code, log } = await pretrain('run');
  expect([code, code === 0 ? '' : log]).toEqual([0, '']);
  const whole = await filesOf('run');
  await cp(join(scratch, 'run'), join(scratch, 'stopped'), { recursive: true, verbatimSymlinks: true });
  await rm(join(scratch, 'stopped', 'checkpoints', 'step-8'), { recursive: true });
  expect((await pretrain('stopped')).log).toContain('after step 4');
  const resumed = await filesOf('stopped');
  expect(resumed.map((bytes, i) => bytes.equals(whole[i] as Buffer))).toEqual([true, true]);
  expect((await pretrain('other', 'optimizer.beta1=0.9')).log).toContain(
    'unknown recipe key "optimizer.beta1"',
  );
  expect((await pretrain('other', 'optimizer.momentum=1')).log).toContain('optimizer.momentum');
});
