/** An SM^4 on several ranks: heads that norm the rows of all, routers that share their experts, and what it observes. */
import { createRandom, inProcessCommunicators, silentProgress, type Communicator } from '@polygate/core';
import { configureModel, createModel, parseRecipe, type Generalist } from '@polygate/generalist';
import { imageSequences } from '@polygate/modalities';
import { AdamW, constant } from '@polygate/nn';
import { cutTaskBatch, nameCandidates, segmentRows, type TaskBatch } from '@polygate/tasks';
import { trainTokenizer } from '@polygate/tokens';
import { train } from '@polygate/training';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, afterAll, describe, expect, it } from 'vitest';
import { useDoublePrecision } from './double-precision.ts';

const tokenizer = trainTokenizer(['a red square', 'a blue bar'], { vocabularySize: 290 });
const classes = ['square', 'bar', 'dot'];
const colours = { name: 'colours', family: 'image-classification', dataset: 'colours', classes };
const sizes = {
  ...{ width: 8, latents: 2, crossHeadWidth: 4, latentHeads: 2, latentHeadWidth: 4, heads: 2, bands: 2 },
  ...{ experts: 4, patchSize: 4, textWidth: 4, noise: 1, capacityFactor: 'dropless' },
};
const ROWS = 5;
const PATCHES = 4;

const modelOf = (): Generalist => {
  const settings = parseRecipe({ model: { architecture: 'sm4', ...sizes } } as never).model;
  const image = { height: 8, width: 8, channels: 3 };
  const data = {
    vocabularySize: tokenizer.size,
    ...{ image, tokenizerHash: tokenizer.hash, tasks: [colours] },
  };
  return createModel(configureModel(settings, data), tokenizer, createRandom(3));
};

/** Rows 0 and 1, which are all that the first of two ranks has, lack their image in every second batch. */
const batchOf = (cursor: number): TaskBatch => {
  const random = createRandom(cursor);
  const patches = Float32Array.from({ length: ROWS * PATCHES * 48 }, () => random.normal());
  const grid = { rows: 2, columns: 2, frames: 1 };
  const inputs = imageSequences(
    { size: ROWS, patches, patchCount: PATCHES, patchWidth: 48, grid },
    segmentRows.image,
  );
  const keyPadding = Uint8Array.from({ length: ROWS * (PATCHES + 1) }, (_, at) =>
    Number(at < 2 * (PATCHES + 1) && at % (PATCHES + 1) > 0),
  );
  return {
    ...{
      task: 'colours',
      family: 'image-classification',
      temperature: 'x',
      lossWeight: 1,
      labelSmoothing: 0,
    },
    inputs: { ...inputs, task: 'colours', ...(cursor % 2 === 1 ? { keyPadding } : {}) },
    queries: 'prefix',
    labels: Int32Array.from({ length: ROWS }, (_, row) => row % 3),
    targets: nameCandidates('classes', classes, { tokenizer, row: segmentRows.name, maximum: 8 }).whole(),
    loss: 'cross-entropy',
  };
};

interface Outcome {
  readonly losses: readonly number[];
  readonly weights: Readonly<Record<string, readonly number[]>>;
  /** Sums by which the learning pace of the next epoch is decided. */
  readonly state: unknown;
}

const trainRank = async (communicator: Communicator, run: string): Promise<Outcome> => {
  using model = modelOf();
  const { parameters } = model;
  using optimizer = new AdamW(parameters, { weightDecay: 0.05 });
  const losses: number[] = [];
  await train<TaskBatch>({
    ...{ parameters, optimizer, schedule: constant({ base: 3e-3 }), steps: 3, seed: 5, clipNorm: 1 },
    sources: [{ name: 'colours', batchSize: ROWS, size: 60, next: batchOf }],
    loss: (batch, { random, exchange }) =>
      model.loss(batch, { training: true, random, ...(exchange ? { exchange } : {}) }),
    weights: (batch) => model.weights(batch),
    ...{ runDirectory: run, progress: silentProgress },
    callbacks: [{ onStep: ({ loss }) => void losses.push(loss) }],
    ...(communicator.size > 1
      ? {
          ranks: { communicator, cut: cutTaskBatch, exchanges: (batch) => model.exchanges?.(batch) === true },
        }
      : {}),
  });
  const weights: Record<string, readonly number[]> = {};
  for (const { name, variable } of parameters.entries()) weights[name] = [...(await variable.data())];
  return { losses, weights, state: model.extraState?.save() };
};

/** Numbers of any JSON, in their order. */
const numbersOf = (value: unknown): readonly number[] => {
  if (typeof value === 'number') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbersOf) : [];
};

describe('an SM^4 on several ranks, in double precision', () => {
  let scratch = '';
  useDoublePrecision();
  beforeAll(async () => {
    await tf.setBackend('cpu');
    scratch = await mkdtemp(join(tmpdir(), 'polygate-sm4-ranks-'));
  });
  afterAll(() => rm(scratch, { recursive: true, force: true }));

  it.each([2, 4])('trains on %i as on one', async (size) => {
    const runs = (count: number) =>
      Promise.all(
        inProcessCommunicators(count).map((each) => trainRank(each, join(scratch, `${size}-${count}`))),
      );
    const [alone] = await runs(1);
    const [first, ...others] = await runs(size);
    for (const other of others) expect(other).toEqual(first);
    const expected = numbersOf(alone);
    const got = numbersOf(first);
    expect(got).toHaveLength(expected.length);
    const worst = Math.max(...expected.map((value, at) => Math.abs(value - (got[at] ?? Number.NaN))));
    expect(worst).toBeLessThan(1e-9);
  });
});
