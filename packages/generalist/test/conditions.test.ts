/** Models of every condition: tasks reach the routers, caches know them, folders keep them. */
import { createRandom } from '@polygate/core';
import {
  encodeFeatures,
  encoderOf,
  evaluateSuite,
  loadModel,
  makeTask,
  parseRecipe,
  saveModel,
  type Generalist,
  type UniPerceiverModel,
} from '@polygate/generalist';
import { caption, classify, fill, patchesOf, retrieve, segmentRows, servingTask } from '@polygate/tasks';
import { imageSequences } from '@polygate/modalities';
import { buildBatch, defineSchema } from '@polygate/stream';
import * as tf from '@tensorflow/tfjs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { taskLoss } from '../src/models/uni-perceiver/loss.ts';
import { conditionalModel, drawImage, tinyModel, tinyTasks, useTinySuite } from './tiny-suite.ts';

const tiny = useTinySuite();

const images = (model: Pick<Generalist, 'image'>) =>
  patchesOf([drawImage('red', 'bar', 1), drawImage('blue', 'square', 2)], model.image);

const taskOf = (model: UniPerceiverModel, name: string) => {
  const { family, dataset } = tinyTasks.find((each) => each.name === name) as (typeof tinyTasks)[number];
  const recipe = parseRecipe({ tasks: { [name]: { family, dataset } } }).tasks[name];
  if (!recipe) throw new Error('expected a task');
  const { suite, tokenizer } = tiny.data;
  return makeTask(name, recipe, { suite, tokenizer, image: model.image, vocabulary: model.vocabulary });
};

const lossOf = async (model: UniPerceiverModel, name: string): Promise<number> => {
  const task = taskOf(model, name);
  const { dataset } = tinyTasks.find((each) => each.name === name) as (typeof tinyTasks)[number];
  const rows = await (await tiny.data.shards(dataset, 'test')).read([0, 3, 5]);
  const batch = task.collate(rows, { random: createRandom(1), training: false });
  const { loss, metrics } = taskLoss(model, batch, { training: false });
  const [value = NaN] = loss.dataSync();
  tf.dispose([loss, ...Object.values(metrics)]);
  return value;
};

describe.each([
  ['modality', { condition: 'modality', experts: 3 }],
  ['task', { condition: 'task', experts: 3 }],
  ['task-specific', { condition: 'task-specific' }],
] as const)('a model routed by %s', (name, moe) => {
  it('predicts, scores, and comes back from its folder with the same answers', async () => {
    using model = conditionalModel(moe);
    const answers = async (asked: Generalist) => ({
      labels: await classify(asked, images(asked), ['red', 'blue']),
      captions: await caption(asked, images(asked), { maximumTokens: 3 }),
      matches: await retrieve(asked, 'a red bar', images(asked)),
      words: await fill(asked, 'the ___ is red', { count: 2 }),
    });
    const before = await answers(model);
    const folder = join(tiny.scratch, name);
    await saveModel(model, folder);
    using again = await loadModel(folder);
    expect(again.config).toEqual(model.config);
    expect(await answers(again)).toEqual(before);
    const scores = await evaluateSuite(again, tiny.data, {
      limit: 3,
      predict: { 'image-captioning': { maximumTokens: 2 } },
    });
    expect(new Set(scores.map(({ task }) => task)).size).toBe(4);
  });
});

describe('the task of a batch', () => {
  it('reaches the routers: copies of a task answer that task alone', async () => {
    using model = conditionalModel({ condition: 'task-specific' });
    const before = { naming: await lossOf(model, 'naming'), reading: await lossOf(model, 'reading') };
    // Expert 3 is that of the fourth task, reading.
    const name = 'blocks.0.ffn.fc2.experts.3.bias';
    model.encoder.parameters.write(
      name,
      new Float32Array(16).map((_, d) => d),
    );
    model.clearCaches();
    expect(await lossOf(model, 'naming')).toBe(before.naming);
    expect(Math.abs((await lossOf(model, 'reading')) - before.reading)).toBeGreaterThan(0.01);
  });

  it('keeps the features of shared candidates apart where routers look at it, and only there', () => {
    using byTask = conditionalModel({ condition: 'task', experts: 3 });
    const whole = byTask.vocabulary.whole();
    const reading = byTask.candidateFeatures(whole, 'reading');
    const writing = byTask.candidateFeatures(whole, 'writing');
    expect(byTask.candidateFeatures(whole, 'reading')).toBe(reading);
    const apart = tf.tidy(() => tf.max(tf.abs(tf.sub(reading, writing))).dataSync()[0]);
    expect(apart).toBeGreaterThan(1e-4);
    using byRow = conditionalModel({ condition: 'attribute', experts: 3 });
    const rows = byRow.vocabulary.whole();
    expect(byRow.candidateFeatures(rows, 'reading')).toBe(byRow.candidateFeatures(rows, 'writing'));
  });

  it('must be named and known', () => {
    using model = conditionalModel({ condition: 'task', experts: 3 });
    const sequences = model.vocabulary.whole().sequences;
    expect(() => encodeFeatures(model, sequences)).toThrow(
      'encode: expected the name of a task, which the condition "task" routes by, got none; pass task, one of naming, writing, finding, reading',
    );
    expect(() => encodeFeatures(model, sequences, { task: 'nameing' })).toThrow(
      'unknown task "nameing": did you mean "naming"? known: finding, naming, reading, writing',
    );
  });
});

describe.each(['token', 'context'])('a model routed by %s', (condition) => {
  const moe = { condition, experts: 3, noise: 0 };

  it('writes the same captions whatever else is in the batch, where nothing is dropped', async () => {
    using model = conditionalModel({ ...moe, capacityFactor: 'dropless' }, 4);
    const pixels = [drawImage('red', 'bar', 1), drawImage('blue', 'square', 2), drawImage('green', 'bar', 3)];
    const options = { maximumTokens: 4, beam: 2 };
    const together = await caption(model, patchesOf(pixels, model.image), options);
    for (const [i, each] of pixels.entries()) {
      const [alone = []] = await caption(model, patchesOf([each], model.image), options);
      expect(alone.map(({ tokens }) => tokens)).toEqual(together[i]?.map(({ tokens }) => tokens));
      alone.forEach(({ score }, k) => expect(score).toBeCloseTo(together[i]?.[k]?.score ?? NaN, 4));
    }
    // With one slot in three for every choice, images take room from each other.
    using bounded = conditionalModel({ ...moe, capacityFactor: { evaluate: 0.5 } }, 4);
    const features = (rows: readonly Uint8Array[]) => {
      const images = patchesOf(rows, bounded.image);
      return tf.tidy(() =>
        encodeFeatures(bounded, imageSequences(images, segmentRows.image)).slice([0, 0], [1, -1]).dataSync(),
      );
    };
    const [alone, among] = [features(pixels.slice(2)), features([pixels[2] as Uint8Array, ...pixels])];
    expect(Math.max(...alone.map((value, d) => Math.abs(value - (among[d] ?? 0))))).toBeGreaterThan(1e-4);
  });

  it('scores a written word by the log-probability of the training layout', async () => {
    // The same words through the layout of training, which has all words and queries in one sequence: the context that
    // routers see is the image alone in both, so no word tells of those behind it.
    using model = conditionalModel({ ...moe, capacityFactor: 'dropless' }, 5);
    const image = patchesOf([drawImage('green', 'bar', 79)], model.image);
    const [[best] = []] = await caption(model, image, { maximumTokens: 5, lengthPenalty: 1 });
    const schema = defineSchema({
      id: 'utf8',
      image: { fixedList: 'uint8', size: 192 },
      captions: { list: { list: 'int32' } },
    });
    const rows = buildBatch(schema, {
      id: ['a'],
      image: drawImage('green', 'bar', 79),
      captions: [[[...(best?.tokens ?? [])]]],
    });
    const batch = taskOf(model, 'writing').collate(rows, { random: createRandom(1), training: false });
    const { loss, metrics } = taskLoss(model, batch, { training: false });
    expect(loss.dataSync()[0]).toBeCloseTo(-(best?.score ?? 0), 3);
    tf.dispose([loss, ...Object.values(metrics)]);
  });

  it('adds its auxiliary losses in training, always, and reports them', async () => {
    using model = conditionalModel({ ...moe, balanceLoss: 0.3, zLoss: 0.2 }, 6);
    using plain = conditionalModel({ ...moe, balanceLoss: 0, zLoss: 0 }, 6);
    const rows = await (await tiny.data.shards('colours', 'train')).read([0, 1, 2]);
    const batch = taskOf(model, 'naming').collate(rows, { random: createRandom(1), training: true });
    const values = (trained: UniPerceiverModel, options: Parameters<typeof taskLoss>[2]) => {
      const { loss, metrics, reports } = taskLoss(trained, batch, options);
      const read = (scalar: tf.Scalar | undefined): number => scalar?.dataSync()[0] ?? NaN;
      const { accuracy, balance, z, auxiliary } = metrics;
      const result = {
        loss: read(loss),
        balance: read(balance),
        z: read(z),
        auxiliary: read(auxiliary),
        reports,
      };
      tf.dispose([loss, accuracy, ...[balance, z, auxiliary].filter((scalar) => scalar !== undefined)]);
      return result;
    };
    const training = { training: true, random: createRandom(2) };
    const sums = values(model, training);
    const without = values(plain, training);
    expect(without.auxiliary).toBe(0);
    expect(sums.loss - without.loss).toBeCloseTo(sums.auxiliary, 4);
    // Two routers in one block: the sum of both losses is twice their mean.
    expect(sums.auxiliary).toBeCloseTo(2 * (0.3 * sums.balance + 0.2 * sums.z), 4);
    expect(sums.reports).toEqual([]);
    expect(values(model, { ...training, telemetry: true }).reports.map(({ linears }) => linears[0])).toEqual([
      'attention.qkv',
      'ffn.fc1',
      'attention.qkv',
      'ffn.fc1',
    ]);
    // What is evaluated is the task's loss alone.
    expect(values(model, { training: false }).auxiliary).toBeNaN();
    expect(values(model, { training: false }).loss).toBeCloseTo(values(plain, { training: false }).loss, 5);
  });
});

describe('servingTask', () => {
  it('prefers what was asked, then the dataset, then the family', () => {
    const tasks = [
      ...tinyTasks,
      { name: 'shades', family: 'image-classification', dataset: 'grey' } as const,
    ];
    const of = (options?: Parameters<typeof servingTask>[2]) =>
      servingTask({ tasks }, 'image-classification', options);
    expect(of()).toBe('naming');
    expect(of({ dataset: 'grey' })).toBe('shades');
    expect(of({ dataset: 'elsewhere' })).toBe('naming');
    expect(of({ dataset: 'grey', task: 'naming' })).toBe('naming');
    expect(servingTask({ tasks: [] }, 'image-classification')).toBeUndefined();
    expect(() => of({ task: 'shadow' })).toThrow('unknown task "shadow"');
  });

  it('chooses the task of predictions', async () => {
    using model = conditionalModel({ condition: 'task-specific' });
    const [naming, finding] = [
      await classify(model, images(model), ['red', 'blue']),
      await classify(model, images(model), { labels: ['red', 'blue'], task: 'finding' }),
    ];
    expect(finding).not.toEqual(naming);
    using plain = tinyModel();
    await expect(fill(plain, 'the ___', { task: 'anything' })).resolves.toHaveLength(1);
  });
});

describe('encoderOf', () => {
  const sizes = { vocabularySize: 500, channels: 3, tasks: ['a', 'b'] };
  const moeOf = (moe: object) =>
    encoderOf(parseRecipe({ model: { preset: 'mini-moe', moe } }).model, sizes).moe;

  it('carries the tasks and the condition, and leaves the number of copies to their condition', () => {
    expect(moeOf({ condition: 'task' })).toMatchObject({ condition: 'task', tasks: ['a', 'b'], experts: 8 });
    expect(moeOf({ condition: 'task-specific' })).toEqual({
      condition: 'task-specific',
      tasks: ['a', 'b'],
      every: 1,
    });
    expect(moeOf({ capacityFactor: { evaluate: 3 } })).toMatchObject({ capacityFactor: { evaluate: 3 } });
    expect(moeOf({ capacityFactor: 'dropless' })).toMatchObject({ capacityFactor: 'dropless' });
  });

  it('takes groups in place of the preset’s experts', () => {
    const groups = [
      { name: 'attend', linears: ['attention.*'], condition: 'modality', experts: 3 },
      { name: 'feed', linears: ['ffn.*'], blocks: { every: 2 }, condition: 'token', losses: { load: 0.1 } },
    ];
    expect(moeOf({ groups })).toEqual({ groups, tasks: ['a', 'b'] });
    expect(() => moeOf({ groups: [{ name: 'attend', linears: [] }] })).toThrow('model.moe.groups.0.linears');
  });
});
