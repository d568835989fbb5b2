/** SM^4 on arrays of two modalities and one file of labels, through the command line: trained, resumed, scored, asked. */
import type { DiagnosticsRecord } from '@polygate/interference';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { npyBytes } from './npy-bytes.ts';
import { polygate } from './polygate.ts';
import { put } from './small-suite.ts';

let scratch: string;
let recipeFile: string;
const ROWS = 64;

/** Rises or falls by the first bit of the row, with a gap here and there. */
const forceOf = (row: number): number[] =>
  Array.from({ length: 12 }, (_, i) =>
    (row + i) % 13 === 0 ? Number.NaN : ((row & 1) === 0 ? 1 : -1) * (Math.floor(i / 2) - 2.5),
  );
/** Of the second bit: even or odd cells are bright. */
const depthOf = (row: number): number[] =>
  Array.from({ length: 16 }, (_, i) => Number((i & 1) === ((row >> 1) & 1)) + row / 1000);

const run = async (...argv: string[]) => {
  const done = await polygate(...argv);
  expect([done.code, done.code === 0 ? '' : done.log]).toEqual([0, '']);
  return done;
};

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'polygate-sm4-'));
  const raw = join(scratch, 'raw');
  const rows = Array.from({ length: ROWS }, (_, row) => row);
  await put(raw, 'force.npy', npyBytes(rows.flatMap(forceOf), [ROWS, 6, 2]));
  await put(raw, 'depth.npy', npyBytes(rows.flatMap(depthOf), [ROWS, 4, 4]));
  // A class is both bits: neither modality tells it alone.
  const labels = rows.map((row) => row & 3);
  await put(raw, 'labels.npy', npyBytes(labels, [ROWS]));
  await run('prepare', '--from', raw, '--out', join(scratch, 'data'));
  const sizes = {
    width: 16,
    latents: 3,
    crossHeadWidth: 8,
    latentHeads: 2,
    latentHeadWidth: 8,
    heads: 2,
    bands: 2,
  };
  const recipe = {
    name: 'pushes',
    suite: join(scratch, 'data', 'raw'),
    model: { architecture: 'sm4', ...sizes, experts: 4 },
    tasks: {
      pushes: {
        family: 'multimodal-classification',
        dataset: 'raw',
        batchSize: 16,
        inputs: { force: { patch: 2 }, depth: { patch: [2, 2] } },
      },
    },
    optimizer: { learningRate: 1e-2 },
    steps: '40 steps',
    endOfEpoch: '10 steps',
    checkpoint: { every: '25 steps', keep: 3 },
    validation: { every: '100%' },
    engine: 'wasm',
  };
  recipeFile = join(scratch, 'pushes.json');
  await writeFile(recipeFile, JSON.stringify(recipe));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

interface Adaptation {
  readonly step: number;
  readonly kind: string;
  readonly epoch: number;
  readonly experts: readonly { readonly modality: string; readonly k: number }[];
  readonly pace: readonly { readonly modality: string; readonly weight: number }[];
}
const adaptationsOf = async (folder: string): Promise<readonly Adaptation[]> =>
  (await readFile(join(folder, 'metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Adaptation)
    .filter(({ kind }) => kind === 'adaptation');

describe('SM^4 on labelled arrays', () => {
  it('is trained, adapts experts and pace, and goes on where it was stopped to the same weights', async () => {
    const trained = join(scratch, 'run');
    await run('pretrain', '--recipe', recipeFile, '--run', trained);
    const adaptations = await adaptationsOf(trained);
    expect(adaptations.map(({ step }) => step)).toEqual([10, 20, 30, 40]);
    for (const { experts, pace } of adaptations) {
      expect(experts.map(({ modality }) => modality)).toEqual(['depth', 'force']);
      for (const { k } of experts) expect(k).toBeGreaterThanOrEqual(1);
      // Of two modalities the weights add up to one.
      expect(pace.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 6);
    }
    const stopped = join(scratch, 'stopped');
    await cp(trained, stopped, { recursive: true, verbatimSymlinks: true });
    await rm(join(stopped, 'checkpoints', 'step-40'), { recursive: true });
    const { log } = await run('pretrain', '--recipe', recipeFile, '--run', stopped);
    expect(log).toContain('after step 25');
    const weights = (folder: string) => readFile(join(folder, 'checkpoints', 'step-40', 'model.safetensors'));
    expect((await weights(stopped)).equals(await weights(trained))).toBe(true);
    const state = async (folder: string): Promise<unknown> =>
      (
        JSON.parse(await readFile(join(folder, 'checkpoints', 'step-40', 'state.json'), 'utf8')) as {
          extra: unknown;
        }
      ).extra;
    expect(await state(stopped)).toEqual(await state(trained));
    expect(JSON.stringify(await state(trained))).toContain('"epoch":4');
  });

  it('tells classes that no modality tells alone, and answers about a file', async () => {
    const trained = join(scratch, 'run');
    const scored = await run('evaluate', '--run', trained, '--json', '--splits', 'train', '--engine', 'wasm');
    const { scores } = JSON.parse(scored.out) as {
      readonly scores: readonly { readonly metric: string; readonly value: number }[];
    };
    expect(scores.find(({ metric }) => metric === 'top-1')?.value).toBeGreaterThan(0.8);
    const { out } = await run('pretrain', '--recipe', recipeFile, '--describe');
    expect(out).toContain('attention: 4 experts by token, 3 routers a block');
  });
});

describe('the recipe of a made-up suite', () => {
  it('is prepared, trained on two tasks of several modalities that may lack, and scored by both', async () => {
    const data = join(scratch, 'made-up');
    const sources = (name: string, change: object) => ({
      [name]: {
        source: 'synthetic-modalities',
        inputs: {
          force: { shape: [6, 2] },
          control: { shape: [4, 3], prototypes: 2 },
          table: { shape: [4] },
        },
        ...{ classes: 3, conflict: 0.7, noise: 0.2, missing: 0.2, train: 32, validation: 8, test: 8 },
        ...change,
      },
    });
    const prepared = join(scratch, 'prepare.json');
    await writeFile(
      prepared,
      JSON.stringify({
        name: 'made-up',
        tokenizer: { vocabularySize: 300 },
        sources: { ...sources('push', {}), ...sources('touch', { seed: 2 }) },
      }),
    );
    await run('prepare', '--recipe', prepared, '--out', data);
    const recipe = JSON.parse(await readFile(recipeFile, 'utf8')) as Record<string, unknown>;
    const task = (dataset: string) => ({ family: 'multimodal-classification', dataset, batchSize: 16 });
    const file = join(scratch, 'touching.json');
    await writeFile(
      file,
      JSON.stringify({
        ...recipe,
        suite: join(data, 'made-up'),
        tasks: { push: task('push'), touch: task('touch') },
        steps: '6 steps',
        endOfEpoch: '3 steps',
      }),
    );
    const trained = join(scratch, 'touching');
    await run('pretrain', '--recipe', file, '--run', trained);
    const [last] = (await adaptationsOf(trained)).slice(-1);
    // Experts of every modality of both tasks.
    expect(last?.experts).toHaveLength(6);
    const { out: table } = await run(
      'inspect',
      'diagnostics',
      '--run',
      trained,
      '--batches',
      '1',
      '--engine',
      'wasm',
    );
    expect(table).toContain('push: cosine of gradients');
    const { tasks, between } = JSON.parse(
      await readFile(join(trained, 'inspect', 'diagnostics.json'), 'utf8'),
    ) as DiagnosticsRecord;
    for (const { modalities, agreement } of tasks) {
      expect(modalities.map(({ modality }) => modality)).toEqual(agreement?.names);
      expect(modalities).toHaveLength(3);
      // Weights of modalities, and shares of weights, are wholes; a gradient agrees with itself.
      expect(modalities.reduce((sum, { blend }) => sum + (blend ?? 0), 0)).toBeCloseTo(1, 6);
      expect(agreement?.purity.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 6);
      agreement?.cosine.forEach((row, at) => expect(row[at]).toBeCloseTo(1, 6));
    }
    // A step on a task lowers its own loss.
    between?.affinity.forEach((row, at) => expect(row[at]).toBeGreaterThan(0));
    expect(between?.names).toEqual(['push', 'touch']);
    await run('inspect', 'report', '--run', trained);
    const figure = (at: number): Promise<string> =>
      readFile(join(trained, 'inspect', 'figures', `diagnostics-${at}.svg`), 'utf8');
    expect(await figure(1)).toContain('touching: modalities of push');
    expect(await figure(3)).toContain('touching: tasks');
    const { out } = await run('evaluate', '--run', trained, '--json', '--engine', 'wasm');
    const { scores } = JSON.parse(out) as { readonly scores: readonly { readonly metric: string }[] };
    expect(scores.filter(({ metric }) => metric === 'top-1').length).toBeGreaterThanOrEqual(2);
  });
});
