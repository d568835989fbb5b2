/** Accumulated batches against one batch of all their rows: losses, metrics and gradients of every parameter. */
import { createRandom, silentProgress } from '@polygate/core';
import { makeTask, parseRecipe, type UniPerceiverModel } from '@polygate/generalist';
import { takeSequences } from '@polygate/modalities';
import { AdamW, constant } from '@polygate/nn';
import { type TaskBatch } from '@polygate/tasks';
import { train, type StepReport } from '@polygate/training';
import * as tf from '@tensorflow/tfjs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { taskLoss, taskWeights } from '../src/models/uni-perceiver/loss.ts';
import { conditionalModel, tinyTasks, useTinySuite } from './tiny-suite.ts';

const tiny = useTinySuite();

/** A batch of masked tokens, whole candidates, no padding of the candidates' order: the same for any part of it. */
const maskedWords = async (model: UniPerceiverModel, rows: readonly number[]): Promise<TaskBatch> => {
  const named = tinyTasks.find(({ family }) => family === 'masked-language-modelling');
  if (!named) throw new Error('expected a task of masked tokens');
  const { name, family, dataset } = named;
  const recipe = parseRecipe({
    tasks: { [name]: { family, dataset, maskRate: 0.4, candidates: { kind: 'whole' } } },
  }).tasks[name];
  if (!recipe) throw new Error('expected a task');
  const { suite, tokenizer } = tiny.data;
  const task = makeTask(name, recipe, { suite, tokenizer, image: model.image, vocabulary: model.vocabulary });
  const read = await (await tiny.data.shards(dataset, 'train')).read([...rows]);
  return task.collate(read, { random: createRandom(4), training: true });
};

/** The queries of sequences from `start` to `end`. */
const part = (batch: TaskBatch, start: number, end: number): TaskBatch => {
  if (batch.queries === 'prefix') throw new Error('expected positions');
  const { length } = batch.inputs;
  const queries = Array.from(batch.queries, (position, at) => ({ position, at })).filter(
    ({ position }) => position >= start * length && position < end * length,
  );
  return {
    ...batch,
    inputs: takeSequences(
      batch.inputs,
      Int32Array.from({ length: end - start }, (_, i) => start + i),
    ),
    queries: Int32Array.from(queries, ({ position }) => position - start * length),
    labels: Int32Array.from(queries, ({ at }) => batch.labels[at] ?? NaN),
  };
};

let runs = 0;

/** One update over the batches without moving a weight: what it reports, and the first moments, a tenth of the gradient. */
const updateOf = async (
  model: UniPerceiverModel,
  batches: readonly TaskBatch[],
  weighed: boolean,
): Promise<{ readonly report: StepReport; readonly moments: ReadonlyMap<string, Float32Array> }> => {
  const { parameters } = model.encoder;
  using optimizer = new AdamW(parameters);
  const reports: StepReport[] = [];
  runs += 1;
  await train({
    parameters,
    optimizer,
    schedule: constant({ base: 0 }),
    sources: [{ name: 'only', weight: 1, next: (cursor) => batches[cursor] as TaskBatch }],
    loss: (batch) => taskLoss(model, batch, { training: true, random: createRandom(8) }),
    ...(weighed ? { weights: taskWeights } : {}),
    accumulate: batches.length,
    steps: 1,
    seed: 1,
    runDirectory: join(tiny.scratch, String(runs)),
    progress: silentProgress,
    callbacks: [{ onStep: (report) => void reports.push(report) }],
  });
  const moments = new Map<string, Float32Array>();
  for (const [name, { slots }] of optimizer.state())
    moments.set(name, (await (slots['m'] as tf.Tensor).data()) as Float32Array);
  return { report: reports[0] as StepReport, moments };
};

describe('accumulated parts of unequal size', () => {
  const dispatched = {
    condition: 'token',
    experts: 3,
    capacityFactor: 'dropless',
    noise: 0,
    balanceLoss: 0,
    zLoss: 0.5,
  } as const;

  it.each([
    ['a dense model', undefined, true],
    ['a dense model whose results say their weight', undefined, false],
    ['a model with a z-loss over tokens', dispatched, true],
  ] as const)('give the update of the whole batch: %s', async (_, moe, weighed) => {
    using model = conditionalModel(moe, 3);
    const batch = await maskedWords(model, [0, 1, 2, 3, 4, 5, 6]);
    const parts = [part(batch, 0, 1), part(batch, 1, 7)];
    const [few = 0, many = 0] = parts.map(({ labels }) => labels.length);
    expect(few + many).toBe(batch.labels.length);
    expect(many).toBeGreaterThan(3 * few);
    const whole = await updateOf(model, [batch], weighed);
    const both = await updateOf(model, parts, weighed);
    expect(both.report.loss / whole.report.loss).toBeCloseTo(1, 5);
    expect(both.report.gradientNorm / whole.report.gradientNorm).toBeCloseTo(1, 5);
    for (const [name, value] of Object.entries(whole.report.metrics)) {
      // The balance is that of a batch's own choices, which is no mean over tokens.
      if (name !== 'balance') expect(both.report.metrics[name], name).toBeCloseTo(value, 4);
    }
    const scale = Math.max(...[...whole.moments.values()].flatMap((values) => [...values].map(Math.abs)));
    expect([...both.moments.keys()]).toEqual([...whole.moments.keys()]);
    for (const [name, values] of whole.moments) {
      const other = both.moments.get(name);
      const worst = values.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - (other?.[i] ?? NaN))),
        0,
      );
      expect(worst / scale, name).toBeLessThan(1e-5);
    }
  });
});

it('a batch of one pair has a contrastive loss of 0', async () => {
  using model = conditionalModel(undefined, 3);
  const [name, family, dataset] = ['finding', 'image-text-retrieval', 'images'] as const;
  const recipe = parseRecipe({ tasks: { [name]: { family, dataset, labelSmoothing: 0 } } }).tasks[name];
  if (!recipe) throw new Error('expected a task');
  const { suite, tokenizer } = tiny.data;
  const task = makeTask(name, recipe, { suite, tokenizer, image: model.image, vocabulary: model.vocabulary });
  const rows = await (await tiny.data.shards(dataset, 'train')).read([0]);
  const batch = task.collate(rows, { random: createRandom(4), training: true });
  tf.tidy(() => {
    const { loss, weight, metrics } = taskLoss(model, batch, { training: true, random: createRandom(1) });
    expect([loss.dataSync()[0], weight, metrics.accuracy?.dataSync()[0]]).toEqual([0, 1, 1]);
  });
});
