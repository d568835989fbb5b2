/** A batch of 32 against its halves, as two ranks or two accumulated batches would draw them. */
import { createRandom, type BatchRandom } from '@polygate/core';
import {
  createUniPerceiverModel,
  makeTask,
  openSuite,
  parseRecipe,
  type UniPerceiverModel,
  type OpenSuite,
} from '@polygate/generalist';
import type { TaskBatch } from '@polygate/tasks';
import { sourceRandom } from '@polygate/training';
import { relativeDifference } from '@polygate/tensor/testing';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { taskLoss } from '../src/models/uni-perceiver/loss.ts';
import {
  addTextsAndClips,
  conditionalModel,
  textAndClipTasks,
  tinyTasks,
  tinyTokenizer,
  writeTinySuite,
} from './tiny-suite.ts';

let folder: string;
let data: OpenSuite;

beforeAll(async () => {
  await selectEngine({ engine: 'wasm' });
  folder = await writeTinySuite();
  await addTextsAndClips(folder);
  data = await openSuite(folder);
});
afterAll(async () => {
  await data.close();
  await rm(folder, { recursive: true, force: true });
});

const tasks = [...tinyTasks, ...textAndClipTasks];
const ROWS = 32;
const HALF = ROWS / 2;

/** Experts by condition, with drop path. */
const modelOf = (condition: 'attribute' | 'token'): UniPerceiverModel => {
  using base = conditionalModel({ condition, experts: 3, topK: 2, capacityFactor: 'dropless' });
  const { config } = base;
  const encoder = { ...config.encoder, dropPath: 0.5, maxFrames: 6 } as typeof config.encoder;
  return createUniPerceiverModel({ ...config, encoder }, tinyTokenizer(), createRandom(1));
};

/** What rank, part and cursor make of a batch: the place of its first sample. */
const randomAt = (first: number, use: 'data' | 'model'): BatchRandom =>
  sourceRandom(createRandom(6), { name: 'any', batchSize: HALF }, { cursor: first / HALF, step: 4, use });

const whole = { candidates: { kind: 'whole' } } as const;
const moved = { augmentation: { flip: 0.5, shift: 0.2, tone: 0.3 } } as const;
/** What each family draws, as much of it as there is. */
const settingsOf: Readonly<Record<string, object>> = {
  'image-classification': { ...whole, augmentation: 'classification-mixed' },
  'image-captioning': { ...whole, ...moved },
  'image-text-retrieval': { augmentation: 'pairs' },
  'masked-language-modelling': { ...whole, maskRate: 0.4 },
  'text-classification': {},
  'video-classification': { ...whole, augmentation: 'video', frames: 2, stride: 1 },
};

/** The batch from `start` on; every eighth row is the same one, so that halves are padded as the whole. */
const collated = async (
  model: UniPerceiverModel,
  name: string,
  range: readonly [start: number, end: number],
): Promise<TaskBatch> => {
  const named = tasks.find((each) => each.name === name);
  if (!named) throw new Error('expected a task');
  const { family, dataset } = named;
  const settings = {
    family,
    dataset,
    ...settingsOf[family],
  };
  const recipe = parseRecipe({ tasks: { [name]: settings as never } }).tasks[name];
  if (!recipe) throw new Error('expected a task');
  const task = makeTask(name, recipe, {
    suite: data.suite,
    tokenizer: data.tokenizer,
    image: model.image,
    vocabulary: model.vocabulary,
  });
  const [start, end] = range;
  const places = Array.from({ length: end - start }, (_, i) => (start + i) % 8);
  const rows = await (await data.shards(dataset, 'train')).read(places);
  return task.collate(rows, { random: randomAt(96 + start, 'data'), training: true });
};

const arraysOf = (batch: TaskBatch): readonly (readonly number[])[] =>
  batch.inputs.segments.flatMap(({ arrays }) =>
    Object.values(arrays).map((values) => Array.from(values, Number)),
  );

const hiddenOf = (model: UniPerceiverModel, { task, ...batch }: TaskBatch, first: number): Float32Array =>
  tf.tidy(() =>
    model.encoder
      .encode(
        { ...batch.inputs, ...(task === undefined ? {} : { task }) },
        { training: true, random: randomAt(first, 'model').fork('inputs') },
      )
      .dataSync<'float32'>()
      .slice(),
  );

const lossOf = (model: UniPerceiverModel, batch: TaskBatch, first: number): number => {
  const { loss, metrics, terms } = taskLoss(model, batch, {
    training: true,
    random: randomAt(first, 'model'),
  });
  const [value = NaN] = (terms?.loss ?? loss).dataSync();
  tf.dispose([loss, Object.values(metrics), Object.values(terms ?? {})]);
  return value;
};

describe.each(['attribute', 'token'] as const)('32 rows and their halves, routed by %s', (condition) => {
  it.each(tasks.map(({ name, family }) => [family, name] as const))('%s', async (_, name) => {
    using model = modelOf(condition);
    const whole = await collated(model, name, [0, ROWS]);
    const halves = [
      await collated(model, name, [0, HALF]),
      await collated(model, name, [HALF, ROWS]),
    ] as const;

    // What was drawn for each sample: masks, captions, augmented pixels.
    const joined = arraysOf(halves[0]).map((values, at) => [...values, ...(arraysOf(halves[1])[at] ?? [])]);
    expect(joined).toEqual(arraysOf(whole));
    // A cloze holds the text as it is: nothing is drawn of it.
    if (whole.family !== 'text-classification') expect(arraysOf(halves[0])).not.toEqual(arraysOf(halves[1]));

    // Drop path and gate noise.
    const hidden = [...hiddenOf(model, halves[0], 96), ...hiddenOf(model, halves[1], 96 + HALF)];
    expect(relativeDifference(hidden, hiddenOf(model, whole, 96))).toBeLessThan(1e-5);
    const moved = hiddenOf(model, halves[0], 96 + HALF);
    expect(relativeDifference(hidden.slice(0, moved.length), moved)).toBeGreaterThan(1e-2);

    // Candidates are encoded once for all, with the noise of the step; pairs are compared within their batch alone.
    if (whole.loss === 'contrastive') return;
    const [first, second] = halves.map((half, at) => ({
      loss: lossOf(model, half, 96 + at * HALF),
      weight: half.labels.length,
    })) as [{ loss: number; weight: number }, { loss: number; weight: number }];
    const mean = (first.loss * first.weight + second.loss * second.weight) / (first.weight + second.weight);
    expect(lossOf(model, whole, 96)).toBeCloseTo(mean, 4);
  });
});
