/** Steps that are replayed against the same steps computed plainly: equal losses, gradient norms and weights, bit for bit. */
import { sha256File } from '@polygate/core/node';
import { parseRecipe, type RecipeInput } from '@polygate/generalist';
import { trainRecipe } from '@polygate/runs';
import { METRICS_FILE, readMetricRecords } from '@polygate/training';
import { probeEngines } from '@polygate/tensor';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinySuite } from '../../generalist/test/tiny-suite.ts';

const isTorchHere = (await probeEngines()).some(({ name, available }) => name === 'torch' && available);

let suite = '';
let scratch = '';

const STEPS = 40;

const tasks = {
  naming: { family: 'image-classification', dataset: 'colours', batchSize: 4 },
  writing: { family: 'image-captioning', dataset: 'images', batchSize: 4 },
  pairing: { family: 'image-text-retrieval', dataset: 'images', batchSize: 4 },
  reading: { family: 'masked-language-modelling', dataset: 'lines', batchSize: 4 },
} as const;

const modelOf = {
  preset: 'mini',
  layers: 2,
  width: 16,
  heads: 2,
  hidden: 32,
  patchSize: 4,
  maxPositions: 32,
  dropPath: 0.2,
} as const;

const recipe = (change: RecipeInput): ReturnType<typeof parseRecipe> =>
  parseRecipe({
    suite,
    steps: `${STEPS} steps`,
    engine: 'torch',
    threads: 1,
    seed: 5,
    tasks,
    checkpoint: { every: '100%', keep: 1 },
    telemetry: { every: '100%' },
    validation: { every: '50%', splits: ['test'] },
    optimizer: { learningRate: 1e-3, clipNorm: 1 },
    model: modelOf,
    ...change,
  });

beforeAll(async () => {
  suite = await writeTinySuite();
  scratch = await mkdtemp(join(tmpdir(), 'polygate-replay-'));
}, 60_000);
afterAll(async () => {
  await rm(suite, { recursive: true, force: true });
  await rm(scratch, { recursive: true, force: true });
});

/** What a run came to, without what hangs on the clock, and what it told. */
const outcome = async (name: string, change: RecipeInput) => {
  const run = join(scratch, name);
  const lines: string[] = [];
  const keep = (line: string): void => void lines.push(line);
  const logger = { debug: keep, info: keep, warn: keep, error: keep };
  await trainRecipe({ recipe: recipe(change), run }, { logger });
  const steps: unknown[] = [];
  for await (const record of readMetricRecords(join(run, METRICS_FILE))) {
    if (record?.['kind'] !== 'train') continue;
    steps.push(Object.fromEntries(Object.entries(record).filter(([field]) => !/Ms$|^rssMb$/u.test(field))));
  }
  const weights = await sha256File(join(run, 'checkpoints', `step-${STEPS}`, 'model.safetensors'));
  return { steps, weights, lines };
};

const replayedOf = (lines: readonly string[]): number =>
  Number(
    lines.map((line) => /^(\d+) of 40 steps were replayed$/u.exec(line)?.[1]).find(Boolean) ?? Number.NaN,
  );

describe.skipIf(!isTorchHere)('replayed steps', () => {
  it.each([
    ['dense', 'f32'],
    ['dense', 'bf16'],
    ['attribute', 'f32'],
  ] as const)('are those of a plain run, %s in %s', async (kind, precision) => {
    const model = {
      ...modelOf,
      ...(kind === 'dense' ? {} : { preset: 'mini-moe' as const, moe: { experts: 3 } }),
    };
    const name = `${kind}-${precision}`;
    const plain = await outcome(`${name}-plain`, { model, precision });
    const replayed = await outcome(`${name}-replayed`, { model, precision, replay: true });
    expect(plain.steps).toHaveLength(STEPS);
    expect(replayed.steps).toEqual(plain.steps);
    expect(replayed.weights).toBe(plain.weights);
    if (kind === 'dense') {
      expect(replayedOf(replayed.lines)).toBeGreaterThan(10);
      return;
    }
    expect(replayed.lines).toContain(
      'steps whose routers are looked at are computed plainly; telemetry.every=null looks at none',
    );
    // Routers that decide for known rows do so on the host.
    expect(replayedOf(replayed.lines)).toBe(0);
    const told = replayed.lines.filter((line) => line.includes('are not replayed'));
    expect(told).toHaveLength(4);
    expect(told[0]).toMatch(/^task \w+: its steps are not replayed: a tensor is read at .*router\.[jt]s/u);
  });
});
