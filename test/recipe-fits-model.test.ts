/** Tasks that a model can't serve are named before the run folder is claimed; texts are cut at the model's positions. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeTinySuite } from '../packages/generalist/test/tiny-suite.ts';
import { polygate, tinyModel } from './polygate.ts';

let root = '';
let suite = '';
const at = (...path: string[]): string => join(root, ...path);

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-fits-'));
  suite = await writeTinySuite();
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
  await rm(suite, { recursive: true, force: true });
});

const pretrain = async (name: string, change: object) => {
  const recipe = { suite, model: { ...tinyModel, moe: null }, steps: '4 steps', engine: 'wasm', ...change };
  await writeFile(at(`${name}.json`), JSON.stringify(recipe));
  return polygate('pretrain', '--recipe', at(`${name}.json`), '--run', at(name));
};

it('cuts texts at the positions of the model, in training, evaluation and predictions', async () => {
  const { code, log } = await pretrain('short', {
    model: { ...tinyModel, moe: null, maxPositions: 3 },
    tasks: { words: { family: 'masked-language-modelling', dataset: 'lines', batchSize: 4 } },
    validation: { every: '100%', limit: 4, splits: ['test'] },
  });
  expect([code, code === 0 ? '' : log]).toEqual([0, '']);
  const config = JSON.parse(await readFile(at('short', 'checkpoints', 'step-4', 'config.json'), 'utf8')) as {
    readonly tasks: readonly object[];
  };
  expect(config.tasks).toEqual([expect.objectContaining({ settings: { maximumTokens: 3 } })]);
  const scored = await polygate('evaluate', '--run', at('short'), '--engine', 'wasm', '--datasets', 'lines');
  expect([scored.code, scored.code === 0 ? '' : scored.log]).toEqual([0, '']);
});

it('names a run that is not there, not the verb that it may have', async () => {
  const { code, log } = await polygate('predict', 'shape', 'a.txt', '--run', at('nowhere'));
  expect(code).toBeGreaterThan(0);
  expect(log).toContain(`expected a model folder or a run with a checkpoint at ${at('nowhere')}`);
  expect(existsSync(at('nowhere'))).toBe(false);
});
