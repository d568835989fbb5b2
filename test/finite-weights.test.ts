/** Weights that are not finite are refused by everything that opens a model, naming the parameter and the file. */
import { createRandom, FormatError, sealJson, sha256 } from '@polygate/core';
import { loadMergedEncoder } from '@polygate/encoder/merged';
import { initialize, loadModel, type RecipeInput } from '@polygate/generalist';
import { loadParameters, readSafetensors, writeSafetensors } from '@polygate/nn';
import { exitCodes } from 'polygate';
import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { conditionalModel, writeTinySuite } from '../packages/generalist/test/tiny-suite.ts';
import { put } from './small-suite.ts';
import { polygate, tinyModel } from './polygate.ts';

let root = '';
let suite = '';
/** A trained run and its exported model, and damaged copies of them. */
let good = { run: '', model: '' };
let bad = { run: '', model: '' };
const at = (...path: string[]): string => join(root, ...path);

const WEIGHTS = 'model.safetensors';
const checkpoint = (run: string): string => join(run, 'checkpoints', 'step-2');

/** Puts a value into a parameter of a saved model, and its new hash into the checkpoint's state, or the model's config. */
const damage = async (folder: string, name: string, value: number): Promise<void> => {
  const path = join(folder, WEIGHTS);
  const { tensors } = await readSafetensors(path);
  (tensors.get(name)?.data as Float32Array)[1] = value;
  await writeSafetensors(path, new Map([...tensors].map(([key, tensor]) => [key, tensor] as const)) as never);
  const statePath = join(folder, 'state.json');
  const text = await readFile(statePath, 'utf8').catch(() => undefined);
  const bytes = await readFile(path);
  const digest = { bytes: bytes.length, sha256: sha256(bytes) };
  if (text === undefined) {
    const config = join(folder, 'config.json');
    const stored = JSON.parse(await readFile(config, 'utf8')) as object;
    await writeFile(config, JSON.stringify({ ...stored, weights: digest }));
    return;
  }
  const { sha256: _, ...state } = JSON.parse(text) as { files: Record<string, unknown>; sha256: string };
  state.files[WEIGHTS] = digest;
  await writeFile(statePath, sealJson(state));
};

const recipe = (change: RecipeInput = {}): RecipeInput => ({
  suite,
  model: {
    ...tinyModel,
    moe: { experts: 2, topK: 2 },
  },
  tasks: {
    naming: { family: 'image-classification', dataset: 'colours', batchSize: 2 },
    reading: { family: 'masked-language-modelling', dataset: 'lines', batchSize: 2 },
  },
  steps: '2 steps',
  engine: 'wasm',
  validation: { every: '100%', limit: 1 },
  ...change,
});

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-finite-'));
  suite = await writeTinySuite();
  await put(root, 'train.json', JSON.stringify(recipe()));
  good = { run: at('run'), model: at('model') };
  const trained = await polygate('pretrain', '--recipe', at('train.json'), '--run', good.run);
  expect(trained.code, trained.log).toBe(exitCodes.done);
  const exported = await polygate('export', '--run', good.run, '--out', good.model, '--engine', 'wasm');
  expect(exported.code, exported.log).toBe(exitCodes.done);
}, 120_000);
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
  await rm(suite, { recursive: true, force: true });
});
beforeEach(async () => {
  const copy = await mkdtemp(at('copy-'));
  bad = { run: join(copy, 'run'), model: join(copy, 'model') };
  await cp(good.run, bad.run, { recursive: true });
  await cp(good.model, bad.model, { recursive: true });
});

const cpu = ['--engine', 'wasm'];
const start = (from: string): string[] => [
  ...['pretrain', '--recipe', at('train.json'), '--run', at('other')],
  ...['--set', `initialize.from=${from}`],
];

/** Command lines that open a model: the run's checkpoint, or the exported model. */
const commands: Readonly<Record<'run' | 'model', readonly (() => string[])[]>> = {
  run: [
    () => ['evaluate', '--run', bad.run, ...cpu],
    () => ['predict', 'fill', 'the ___', '--run', bad.run, ...cpu],
    () => ['export', '--run', bad.run, '--out', at('again'), ...cpu],
    () => ['inspect', 'report', '--run', bad.run],
    () => ['inspect', 'interference', '--run', bad.run, ...cpu],
    () => ['pretrain', '--recipe', at('train.json'), '--run', bad.run],
    () => start(bad.run),
    () => start(checkpoint(bad.run)),
  ],
  model: [
    () => ['evaluate', '--run', bad.model, '--suite', suite, ...cpu],
    () => ['predict', 'fill', 'the ___', '--run', bad.model, ...cpu],
    () => ['export', '--run', bad.model, '--out', at('again'), ...cpu],
    () => start(bad.model),
  ],
};

/** Functions that open a model folder. */
const functions: Readonly<Record<'run' | 'model', readonly (() => Promise<unknown>)[]>> = {
  run: [
    () => loadModel(bad.run),
    () => loadModel(checkpoint(bad.run)),
    async () => {
      using model = conditionalModel({ experts: 2 });
      await initialize(model, { from: bad.run, random: createRandom(1) });
    },
  ],
  model: [
    () => loadModel(bad.model),
    () => loadMergedEncoder(bad.model),
    async () => {
      using model = await loadModel(good.model);
      await loadParameters(model.parameters, join(bad.model, WEIGHTS));
    },
  ],
};

describe.each(['run', 'model'] as const)('a %s with weights that are not finite', (kind) => {
  it.each([
    ['head.norm.weight', NaN],
    ['embedding.word', Infinity],
  ])('is refused by all that open it: %s of %d', async (name, value) => {
    const folder = kind === 'run' ? checkpoint(bad.run) : bad.model;
    await damage(folder, name, value);
    const text = `safetensors ${join(folder, WEIGHTS)}: expected finite values, got ${value} at index 1 of "${name}"; the file is damaged or its training diverged: take an earlier checkpoint`;
    for (const command of commands[kind]) {
      const argv = command();
      const { code, log } = await polygate(...argv);
      expect(log, argv.join(' ')).toContain(text);
      expect(code, argv.join(' ')).toBe(exitCodes.failed);
    }
    for (const open of functions[kind]) {
      const error: unknown = await open().catch((reason: unknown) => reason);
      expect(error, String(open)).toBeInstanceOf(FormatError);
      expect((error as FormatError).message).toBe(text);
      expect((error as FormatError).code).toBe('weights-not-finite');
    }
    for (const refused of ['again', 'other']) await expect(stat(at(refused))).rejects.toThrow('ENOENT');
  });
});
