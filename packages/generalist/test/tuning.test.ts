/** What a tuned model computes: heads and tokens of classes, gradients, and methods of other packages. */
import { createRandom } from '@polygate/core';
import {
  encodeFeatures,
  parseRecipe,
  registerTuningMethod,
  type Generalist,
  type TuneSettings,
  type UniPerceiverModel,
} from '@polygate/generalist';
import { parameterGradients } from '@polygate/nn';
import { imageSequences } from '@polygate/modalities';
import { nameCandidates, patchesOf, segmentRows, type TaskBatch, type TrainedTask } from '@polygate/tasks';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { classes, conditionalModel, drawImage, tinyModel } from './tiny-suite.ts';

const naming: TrainedTask = { name: 'naming', family: 'image-classification', dataset: 'colours', classes };

const settings = (change: object = {}): TuneSettings => {
  const { tune } = parseRecipe({ tune: { method: 'prompt', prompts: 2, ...change } });
  if (!tune) throw new Error('expected settings');
  return tune;
};

const tuned = (base: UniPerceiverModel, change: object = {}): Generalist =>
  base.tuned({ settings: settings(change), tasks: [naming], random: createRandom(3) });

const batchOf = (model: Generalist, ids?: Int32Array): TaskBatch => {
  const set = nameCandidates('classes:naming', classes, {
    tokenizer: model.tokenizer,
    row: segmentRows.name,
  });
  const images = patchesOf([drawImage('red', 'bar', 1), drawImage('blue', 'square', 2)], model.image);
  const targets = ids
    ? { key: set.key, whole: false, ids, sequences: set.pick(ids), logQ: new Float32Array(ids.length) }
    : set.whole();
  return {
    task: 'naming',
    family: 'image-classification',
    temperature: 'image-classification',
    lossWeight: 1,
    inputs: { ...imageSequences(images, segmentRows.image), task: 'naming' },
    queries: 'prefix',
    labels: Int32Array.of(0, 1),
    targets,
    loss: 'cross-entropy',
    labelSmoothing: 0,
  };
};

const lossOf = (model: Generalist, batch: TaskBatch, training = false): number => {
  const { loss, metrics } = model.loss(batch, { training, ...(training ? { random: createRandom(9) } : {}) });
  const [value = Number.NaN] = loss.dataSync();
  tf.dispose([loss, ...Object.values(metrics)]);
  return value;
};

/** Draws every parameter anew around its start. */
const disturb = (model: Generalist): void => {
  const random = createRandom(5);
  for (const { name, variable } of model.parameters.entries()) {
    const stream = random.fork(name);
    const values = Float32Array.from(variable.dataSync(), (value) => value + 0.3 * stream.normal());
    model.parameters.write(name, values);
  }
  model.clearCaches();
};

beforeAll(async () => void (await tf.setBackend('cpu')));

describe('a head of classes', () => {
  it('begins at the similarities, and then is mix * similarity + W f + b', async () => {
    using base = conditionalModel({ experts: 3 });
    using model = tuned(base, { prompts: 0, norms: false, prefixBias: false });
    const batch = batchOf(model);
    const similarities = await base.scores(batch, { task: 'naming' });
    expect([...(await model.scores(batch, { task: 'naming' }))]).toEqual([...similarities]);
    expect(lossOf(model, batch)).toBeCloseTo(lossOf(base, batch), 6);

    disturb(model);
    // Two images, four classes, width 16, in plain numbers.
    const features = tf.tidy(() =>
      encodeFeatures(base, batch.inputs, { task: 'naming', unit: false }).arraySync(),
    ) as number[][];
    const read = async (part: string): Promise<number[]> => [
      ...(await model.parameters.read(`adapter.heads.naming.${part}`)),
    ];
    const [weight, bias, [mix = NaN]] = [await read('weight'), await read('bias'), await read('mix')];
    const expected = features.flatMap((feature, n) =>
      classes.map(
        (_, c) =>
          mix * (similarities[n * classes.length + c] ?? 0) +
          feature.reduce((sum, value, d) => sum + value * (weight[c * 16 + d] ?? 0), bias[c] ?? 0),
      ),
    );
    const got = await model.scores(batch, { task: 'naming' });
    expected.forEach((value, i) => expect(got[i]).toBeCloseTo(value, 4));
    // -log softmax of each label, by hand.
    const rows = [expected.slice(0, 4), expected.slice(4)];
    const loss = rows.reduce((sum, row, n) => {
      const total = row.reduce((all, value) => all + Math.exp(value), 0);
      return sum + (Math.log(total) - (row[n] ?? 0)) / 2;
    }, 0);
    expect(lossOf(model, batch)).toBeCloseTo(loss, 4);
  });

  it('is for the classes that a batch samples, by their places', () => {
    using base = tinyModel(1, { moe: undefined, tasks: [naming] });
    using model = tuned(base);
    disturb(model);
    const whole = batchOf(model);
    const turned = batchOf(model, Int32Array.of(1, 0, 3, 2));
    expect(lossOf(model, { ...turned, labels: Int32Array.of(1, 0) })).toBeCloseTo(lossOf(model, whole), 4);
  });
});

describe('gradients of a tuned model', () => {
  it.each([
    ['head', {}],
    ['token', { classes: 'token' }],
    ['none', { classes: 'none', sides: 'separate' }],
  ])('agree with central differences, and reach nothing of the base: classes %s', (_, change) => {
    using base = conditionalModel({ experts: 3 });
    using model = tuned(base, change);
    disturb(model);
    const batch = batchOf(model);
    const before = base.parameters.entries().map(({ variable }) => Float32Array.from(variable.dataSync()));
    const { loss, gradients } = parameterGradients(model.parameters, () =>
      tf.tidy(() => model.loss(batch, { training: true, random: createRandom(9) }).loss),
    );
    loss.dispose();
    expect(Object.keys(gradients).toSorted()).toEqual(
      model.parameters.specs.map(({ name }) => name).toSorted(),
    );
    for (const { name } of model.parameters.specs) {
      const start = Float32Array.from(model.parameters.get(name).dataSync());
      const got = Float32Array.from(gradients[name]?.dataSync() ?? []);
      const at = got.reduce((best, value, i) => (Math.abs(value) > Math.abs(got[best] ?? 0) ? i : best), 0);
      const [up = NaN, down = NaN] = [5e-3, -5e-3].map((step) => {
        model.parameters.write(
          name,
          start.map((value, i) => (i === at ? value + step : value)),
        );
        return lossOf(model, batch, true);
      });
      model.parameters.write(name, start);
      const difference = (up - down) / 1e-2;
      expect(Math.abs(difference - (got[at] ?? NaN)), name).toBeLessThan(0.02 + 0.05 * Math.abs(difference));
    }
    expect(base.parameters.entries().map(({ variable }) => Float32Array.from(variable.dataSync()))).toEqual(
      before,
    );
    tf.dispose(gradients);
  });
});

describe('a method of another package', () => {
  it('adds products to linears, and has its settings in recipes', async () => {
    registerTuningMethod<{ readonly rank: number }>({
      name: 'toy-low-rank',
      summary: 'a product of two thin matrices added to the output of attention',
      settings: { rank: z.number().int().min(1).max(8).default(2) },
      adapter: {
        parts: ({ rank }, { encoder: { layers, width } }) => ({
          adds: Array.from({ length: layers }, (_, block) => [
            {
              name: `adapter.low.${block}.a`,
              shape: [rank, width],
              initializer: { kind: 'normal', std: 1 } as const,
              role: 'weight' as const,
            },
            {
              name: `adapter.low.${block}.b`,
              shape: [width, rank],
              initializer: { kind: 'zeros' } as const,
              role: 'weight' as const,
            },
          ]).flat(),
        }),
        begin: ({ parameters }) => ({
          linear(x, { block, linear }) {
            if (linear !== 'attention.output') return undefined;
            const [a, b] = ['a', 'b'].map(
              (part) => parameters.get(`adapter.low.${block}.${part}`) as tf.Tensor2D,
            );
            const rows = tf.reshape(x, [-1, x.shape[2]]) as tf.Tensor2D;
            const low = tf.matMul(rows, a as tf.Tensor2D, false, true);
            return tf.reshape(tf.matMul(low, b as tf.Tensor2D, false, true), x.shape);
          },
        }),
      },
    });
    const { tune } = parseRecipe({ tune: { method: 'toy-low-rank' } });
    if (!tune) throw new Error('expected settings');
    expect(tune).toEqual({ method: 'toy-low-rank', rank: 2, noise: true });
    expect(() => parseRecipe({ tune: { method: 'toy-low-rank', rank: 9 } })).toThrow(/tune\.rank/u);
    using base = conditionalModel({ experts: 3 });
    using model = base.tuned({ settings: tune, tasks: [naming], random: createRandom(3) });
    const batch = batchOf(model);
    expect(lossOf(model, batch)).toBe(lossOf(base, batch));
    disturb(model);
    const loss = lossOf(model, batch);
    expect(loss).not.toBeCloseTo(lossOf(base, batch), 3);
    const merged = model.exports?.merged?.({ tasks: ['naming'] }).model;
    if (!merged) throw new Error('expected a merged model');
    expect(lossOf(merged, batch)).toBeCloseTo(loss, 4);
    merged.dispose();
  });
});
