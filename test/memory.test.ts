/** Five hundred updates over all four task families leave the number and bytes of live tensors flat. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pretrain } from '@polygate/app-pretrain';
import { createRandom } from '@polygate/core';
import {
  buildTaskSources,
  createUniPerceiverModel,
  encoderOf,
  openSuite,
  parseRecipe,
} from '@polygate/generalist';
import { AdamW, constant } from '@polygate/nn';
import { selectEngine } from '@polygate/tensor';
import { train } from '@polygate/training';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareSmallSuite, smallTrainingRecipe } from './small-suite.ts';

const STEPS = 500;
/** Updates after which every family has come and made what it keeps, such as tables of positions. */
const SETTLED = 30;

let folder = '';
let suite = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-memory-'));
  suite = (await prepareSmallSuite(folder)).directory;
  await selectEngine({ engine: 'auto', threads: 1 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('memory', () => {
  it(`stays flat over ${STEPS} updates of all four families`, { timeout: 900_000 }, async () => {
    const recipe = parseRecipe(smallTrainingRecipe(suite));
    await using data = await openSuite(suite);
    const image = { ...data.suite.image, channels: 3 };
    const encoder = encoderOf(recipe.model, { vocabularySize: data.tokenizer.size, channels: 3 });
    using model = createUniPerceiverModel(
      { encoder, image, tokenizerHash: data.tokenizer.hash },
      data.tokenizer,
      createRandom(1),
    );
    const { parameters } = model.encoder;
    using optimizer = new AdamW(parameters, { learningRate: 1e-3 });
    const sources = await buildTaskSources(data, recipe, {
      image: model.image,
      vocabulary: model.vocabulary,
    });

    const tasks = new Map<string, number>();
    const seen: { readonly step: number; readonly tensors: number; readonly bytes: number }[] = [];
    await train({
      parameters,
      optimizer,
      schedule: constant({ base: 1e-3 }),
      sources,
      loss: (batch, { random }) => model.loss(batch, { training: true, random }),
      steps: STEPS,
      seed: 5,
      clipNorm: 0.5,
      checkpointEvery: 200,
      runDirectory: join(folder, 'run'),
      callbacks: [
        {
          onStep: ({ step, task }) => {
            tasks.set(task, (tasks.get(task) ?? 0) + 1);
            if (step === SETTLED) expect(tasks.size).toBe(4);
            // The two moments of a parameter come with its first gradient, which for an expert may be late: they are
            // counted out, and everything else must be the same after every update.
            const moments = [...optimizer.state().values()];
            const { numTensors, numBytes } = tf.memory();
            const momentBytes = moments.reduce(
              (sum, { slots: { m, v } }) => sum + 4 * ((m?.size ?? NaN) + (v?.size ?? NaN)),
              0,
            );
            seen.push({ step, tensors: numTensors - 2 * moments.length, bytes: numBytes - momentBytes });
          },
        },
      ],
    });

    expect(seen).toHaveLength(STEPS);
    expect(Math.min(...tasks.values())).toBeGreaterThan(50);
    const [settled, ...rest] = seen.slice(SETTLED);
    expect(settled?.tensors).toBeGreaterThan(parameters.entries().length);
    expect(rest.filter(({ tensors }) => tensors !== settled?.tensors)).toEqual([]);
    expect(rest.filter(({ bytes }) => bytes !== settled?.bytes)).toEqual([]);
  });

  it('is given back whole by a run with validation and checkpoints', { timeout: 300_000 }, async () => {
    const before = tf.memory();
    const recipe = {
      ...smallTrainingRecipe(suite),
      steps: '6 steps',
      checkpoint: { every: '3 steps' },
      validation: { every: '3 steps', limit: 2 },
    };
    const { status } = await pretrain({ recipe, run: join(folder, 'whole') });
    expect(status).toBe('finished');
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numBytes).toBe(before.numBytes);
  });
});
