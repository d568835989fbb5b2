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
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { classes, conditionalModel, tinyModel } from './tiny-suite.ts';
import { batchOf, disturb, expectGradients, lossOf, naming, settingsOf } from './tuned-models.ts';

const settings = (change: object = {}): TuneSettings =>
  settingsOf({ method: 'prompt', prompts: 2, ...change });

const tuned = (base: UniPerceiverModel, change: object = {}): Generalist =>
  base.tuned({ settings: settings(change), tasks: [naming], random: createRandom(3) });

beforeAll(async () => void (await selectEngine({ engine: 'wasm' })));

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
    expectGradients(model, base);
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
