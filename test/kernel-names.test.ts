/**
 * The fused kernels that operators look for and those that the torch engine registers are the same: a name that only
 * one side knows would quietly fall back to the slow composition.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pretrain } from '@polygate/app-pretrain';
import { probeEngines, selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { afterAll, describe, expect, it } from 'vitest';
import { prepareSmallSuite, smallTrainingRecipe } from './small-suite.ts';

const sources = join(import.meta.dirname, '../packages/tensor/src');

/** Names that the operators ask the engine in use for. */
const wantedKernels = async (): Promise<string[]> => {
  const names = new Set<string>();
  for (const file of await readdir(sources)) {
    if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
    const text = await readFile(join(sources, file), 'utf8');
    for (const [, name = ''] of text.matchAll(/\b(?:hasKernel|runKernel)\(\s*'(Pg\w+)'/gu)) names.add(name);
  }
  return [...names].sort();
};

/** Kernels that a run with experts chosen by attributes has no use for: token routing, and operators that others fuse. */
const elsewhere = new Set([
  'PgDispatchedLinear',
  'PgDispatchedLinearGrad',
  'PgTokenChoice',
  'PgTokenChoiceGrad',
  'PgDecidedGates',
  'PgCrossAttention',
  'PgExactLinear',
  'PgExactLinearGrad',
  'PgAttentionPool',
  'PgRouterLogits',
  'PgRouterLogitsGrad',
  'PgAttentionPoolGrad',
  'PgGelu',
  'PgGeluGrad',
  'PgSegmentLinearGrad',
]);

const torch = (await probeEngines()).find(({ name }) => name === 'torch');
const reason = torch?.available === true ? '' : ` (skipped, no torch engine: ${torch?.why ?? 'unknown'})`;

let folder = '';
afterAll(() => (folder === '' ? undefined : rm(folder, { recursive: true, force: true })));

describe.skipIf(reason !== '')(`fused kernels${reason}`, () => {
  it('have the same names on both sides', async () => {
    await selectEngine({ engine: 'torch' });
    const registered = (tf.getKernelsForBackend('torch') ?? [])
      .map(({ kernelName }) => kernelName)
      .filter((name) => name.startsWith('Pg'))
      .sort();
    const wanted = await wantedKernels();
    expect(wanted.length).toBeGreaterThan(10);
    expect(registered.filter((name) => !wanted.includes(name))).toEqual([]);
    expect(wanted.filter((name) => !registered.includes(name))).toEqual([]);
  });

  it('are what a run of all four families goes through', { timeout: 300_000 }, async () => {
    folder = await mkdtemp(join(tmpdir(), 'polygate-kernels-'));
    const { directory } = await prepareSmallSuite(folder);
    const recipe = {
      ...smallTrainingRecipe(directory),
      engine: 'torch',
      threads: 1,
      steps: '12 steps',
      checkpoint: { every: '12 steps' },
      validation: { every: '12 steps', limit: 2 },
    };
    await selectEngine({ engine: 'torch', threads: 1 });
    const { kernelNames } = await tf.profile(async () => {
      await pretrain({ recipe, run: join(folder, 'run') });
      return [];
    });
    const wanted = await wantedKernels();
    expect(wanted.filter((name) => !kernelNames.includes(name) && !elsewhere.has(name))).toEqual([]);
  });
});
