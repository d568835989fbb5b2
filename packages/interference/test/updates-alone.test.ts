/** Updates on one task alone, on a real, tiny model on the wasm engine: against a plain loop, and that all is undone. */
import { createRandom, type Random } from '@polygate/core';
import { buildTaskSources, openSuite, parseRecipe, type OpenSuite } from '@polygate/generalist';
import { AdamW, parameterGradients } from '@polygate/nn';
import type { TaskBatch } from '@polygate/tasks';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runInterference } from '@polygate/interference';
import { writeTinyRun } from '../../../packages/generalist/test/tiny-run.ts';
import { tinyModel, writeTinySuite } from '../../../packages/generalist/test/tiny-suite.ts';
import { batchLoss } from '../src/batch-gradients.ts';
import { updatesAlone, type StoredOptimizer } from '../src/updates-alone.ts';

let folder: string;
let data: OpenSuite;

beforeAll(async () => {
  await selectEngine({ engine: 'wasm' });
  folder = await writeTinySuite();
  data = await openSuite(folder);
});

afterAll(async () => {
  await data.close();
  await rm(folder, { recursive: true, force: true });
});

const recipe = parseRecipe({
  tasks: {
    colours: { family: 'image-classification', dataset: 'colours', batchSize: 2 },
    images: { family: 'image-text-retrieval', dataset: 'images', batchSize: 2 },
  },
});

const setUp = async () => {
  const model = tinyModel(3);
  const sources = await buildTaskSources(data, recipe, { image: model.image, vocabulary: model.vocabulary });
  const batchAt = async (task: number, cursor: number): Promise<TaskBatch> =>
    (await sources[task]?.next(cursor, { random: createRandom(cursor) })) as TaskBatch;
  const batches = await Promise.all(
    sources.map((_, task) => Promise.all([0, 1, 2].map((cursor) => batchAt(task, cursor)))),
  );
  const next = (task: number, { round, update }: { round: number; update: number }) =>
    batchAt(task, 3 + 2 * round + update);
  return { model, batches, next };
};

const settings = { beta2: 0.99, weightDecay: 0.1 };
const lossWeights = [1, 0.5];

describe('updatesAlone', () => {
  it('is what a plain loop of updates gives, from the stored moments, and leaves all as it was', async () => {
    const { model, batches, next } = await setUp();
    using trained = model;
    const { parameters } = trained;
    using stored = new AdamW(parameters, settings);
    const step = async (optimizer: AdamW, batch: TaskBatch, task: number, random: Random) => {
      const { loss, gradients } = parameterGradients(parameters, () =>
        tf.mul(trained.loss(batch, { training: true, random }).loss, lossWeights[task] ?? NaN),
      );
      await optimizer.step(gradients, { learningRate: 2e-2, clipNorm: 0.3 });
      tf.dispose([loss, gradients]);
    };
    await step(stored, await next(0, { round: 7, update: 0 }), 0, createRandom(1));
    const before = new Map(
      await Promise.all(
        parameters.specs.map(async ({ name }) => [name, await parameters.read(name)] as const),
      ),
    );
    const optimizer: StoredOptimizer = {
      create: (all) => new AdamW(all, settings),
      learningRate: 2e-2,
      clipNorm: 0.3,
      state: stored.state(),
    };
    const tensors = tf.memory().numTensors;
    const { values } = await updatesAlone(trained, {
      batches,
      next,
      lossWeights,
      updates: 2,
      optimizer,
      random: createRandom(9),
    });
    expect(tf.memory().numTensors).toBe(tensors);
    for (const [name, was] of before) expect(await parameters.read(name), name).toEqual(was);

    // Round 1 of the second task by hand: what it does to batch 2 of the first.
    const watched = batches[0]?.[2] as TaskBatch;
    const start = await batchLoss(trained, watched);
    using again = new AdamW(parameters, settings);
    again.restore(stored.state());
    for (const update of [0, 1]) {
      const random = createRandom(9).fork('1').fork(1).fork(update);
      await step(again, await next(1, { round: 1, update }), 1, random);
    }
    trained.clearCaches();
    const wanted = start - (await batchLoss(trained, watched));
    expect(values[((0 * 2 + 1) * 3 + 2) * 3 + 1]).toBeCloseTo(wanted, 6);
    expect(Math.abs(wanted)).toBeGreaterThan(1e-3);
    expect([...values].every(Number.isFinite)).toBe(true);
  });

  it('puts the weights back when it is stopped', async () => {
    const { model, batches, next } = await setUp();
    using trained = model;
    const { parameters } = trained;
    const name = parameters.specs[0]?.name ?? '';
    const before = await parameters.read(name);
    const stop = new AbortController();
    const optimizer: StoredOptimizer = {
      create: (all) => new AdamW(all, settings),
      learningRate: 1e-2,
      state: new Map(),
    };
    await expect(
      updatesAlone(trained, {
        batches,
        next: (task, at) => {
          if (at.update === 1) stop.abort();
          return next(task, at);
        },
        lossWeights,
        updates: 3,
        optimizer,
        random: createRandom(2),
        signal: stop.signal,
      }),
    ).rejects.toThrow('stopped before all updates were made; the weights are as they were');
    expect(await parameters.read(name)).toEqual(before);
  });
});

describe('runInterference with updates', () => {
  it(
    'takes the optimizer and the rate of the checkpoint, and says when there is none',
    { timeout: 120_000 },
    async () => {
      const scratch = await mkdtemp(join(tmpdir(), 'polygate-updates-'));
      const run = join(scratch, 'run');
      await writeTinyRun(run, folder);
      const measured = {
        tasks: ['colours', 'images/retrieval'],
        batches: 3,
        directions: 0,
        updates: 2,
        rounds: 3,
      };
      await expect(runInterference(run, measured)).rejects.toThrow(
        `expected the run's optimizer at ${join(run, 'checkpoints', 'step-7', 'optimizer.safetensors')}, got none; measure a checkpoint that pretrain wrote`,
      );
      using model = tinyModel(3);
      using optimizer = new AdamW(model.parameters, settings);
      await optimizer.save(join(run, 'checkpoints', 'step-7', 'optimizer.safetensors'));
      // The rate of step 7; the recipe's own is another.
      for (const step of [6, 7, 8]) {
        await appendFile(
          join(run, 'metrics.jsonl'),
          `{"step":${step},"kind":"train","learningRate":0.00${step}}\n`,
        );
      }
      const record = await runInterference(run, measured);
      expect(record).toMatchObject({ updates: 2, rounds: 3, learningRate: 0.007 });
      expect(record.model?.weights).toBe(model.parameters.size);
      expect(record.model?.updates.own.every(({ value }) => Number.isFinite(value))).toBe(true);
      await expect(runInterference(run, { ...measured, rounds: 2 })).rejects.toThrow(
        'expected a whole number of updates, 0 for none, in at least 3 rounds, got 2 and 2',
      );
      await expect(runInterference(run, { ...measured, updates: 1.5 })).rejects.toThrow('got 1.5 and 3');
      await rm(scratch, { recursive: true, force: true });
    },
  );
});
