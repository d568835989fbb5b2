/** Interference measured on a real, tiny model on the wasm engine. */
import { createRandom } from '@polygate/core';
import type { EncoderConfig, ExpertConfig } from '@polygate/encoder';
import {
  buildTaskSources,
  createUniPerceiverModel,
  openSuite,
  parseRecipe,
  type UniPerceiverModel,
  type OpenSuite,
} from '@polygate/generalist';
import { conditionNames } from '@polygate/routers';
import type { TaskBatch } from '@polygate/tasks';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { measureInterference, weightSites } from '@polygate/interference';
import { tinyModel, writeTinySuite } from '../../../packages/generalist/test/tiny-suite.ts';
import { batchGradient, batchLoss, innerProducts } from '../src/batch-gradients.ts';
import { exactChanges } from '../src/exact-changes.ts';
import { firstOrderChanges } from '../src/first-order.ts';

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

const modelWith = (moe: ExpertConfig | undefined): UniPerceiverModel => {
  using plain = tinyModel();
  const { moe: _, ...encoder } = plain.config.encoder as EncoderConfig;
  return createUniPerceiverModel(
    { ...plain.config, encoder: { ...encoder, ...(moe ? { moe } : {}) } },
    plain.tokenizer,
    createRandom(4),
  );
};

const recipe = parseRecipe({
  tasks: {
    colours: { family: 'image-classification', dataset: 'colours', batchSize: 2 },
    images: { family: 'image-text-retrieval', dataset: 'images', batchSize: 2 },
  },
});

const batchesOf = async (model: UniPerceiverModel, count: number): Promise<TaskBatch[][]> => {
  const sources = await buildTaskSources(data, recipe, { image: model.image, vocabulary: model.vocabulary });
  return Promise.all(
    sources.map(({ next }) =>
      Promise.all(Array.from({ length: count }, async (_, k) => next(k, { random: createRandom(k) }))),
    ),
  );
};

const allValues = async (model: UniPerceiverModel): Promise<Float32Array[]> =>
  Promise.all(model.parameters.entries().map(({ name }) => model.parameters.read(name)));

const tasks = Object.keys(recipe.tasks);
const kinds: readonly (readonly [string, ExpertConfig | undefined])[] = [
  ['dense', undefined],
  ...conditionNames().map(
    (condition) =>
      [
        condition,
        { condition, tasks, ...(condition === 'task-specific' ? {} : { experts: 3, topK: 2 }) },
      ] as const,
  ),
];

it('knows every condition there is', () => {
  expect(kinds.map(([name]) => name)).toEqual(
    expect.arrayContaining(['dense', 'attribute', 'modality', 'task', 'task-specific', 'token', 'context']),
  );
});

describe.each(kinds)('interference in a model: %s', (_, moe) => {
  it(
    'is the same exactly and at first order as steps shrink, and restores the weights bit for bit',
    { timeout: 180_000 },
    async () => {
      using model = modelWith(moe);
      const batches = await batchesOf(model, 3);
      const [site] = weightSites(model.parameters, { layers: [1] });
      if (!site) throw new Error('expected a site');
      expect(site.weights.length).toBe(moe ? (moe.experts ?? 2) : 1);
      const before = await allValues(model);
      // The first forward makes the table of patch positions, which the encoder keeps.
      await batchLoss(model, batches[0]?.[0] as TaskBatch);
      const tensors = tf.memory().numTensors;
      const gradients = await Promise.all(
        batches.map((taskBatches) =>
          Promise.all(taskBatches.map((batch) => batchGradient(model, batch, site))),
        ),
      );
      const products = await innerProducts(gradients.flat());
      const worst: number[] = [];
      for (const step of [0.1, 0.01]) {
        const first = firstOrderChanges(products, { tasks: 2, batches: 3, step });
        const exact = await exactChanges(model, site, { batches, gradients, step, directions: 1 });
        let most = 0;
        let greatest = 0;
        let measured = 0;
        for (const [at, expected] of first.values.entries()) {
          const got = exact.values[at] ?? NaN;
          if (Number.isNaN(got)) continue;
          measured += 1;
          most = Math.max(most, Math.abs(got - expected));
          greatest = Math.max(greatest, Math.abs(expected));
        }
        // 2 tasks by 2 tasks by 3 batches, one step of each for every batch.
        expect(measured).toBe(12);
        worst.push(most / greatest);
      }
      // What first order leaves out is quadratic in the step, so relative to the change it shrinks with the step. Below
      // 0.01 the rounding of float32 losses (1e-7 of a loss near 2) would begin to show.
      const [coarse = NaN, fine = NaN] = worst;
      expect(fine).toBeLessThan(coarse / 4);
      expect(fine).toBeLessThan(0.02);
      expect(tf.memory().numTensors).toBe(tensors);
      expect(await allValues(model)).toEqual(before);
    },
  );

  it('takes the gradient that differences of losses give', async () => {
    using model = modelWith(moe);
    const [[batch]] = (await batchesOf(model, 1)) as [[TaskBatch]];
    const [site] = weightSites(model.parameters, { layers: [1] });
    if (!site) throw new Error('expected a site');
    const { parts, loss } = await batchGradient(model, batch, site);
    expect(await batchLoss(model, batch)).toBe(loss);
    const { parameters } = model;
    for (const [expert, { name }] of site.weights.entries()) {
      const values = await parameters.read(name);
      const slopes = parts[expert] ?? new Float32Array(values.length);
      // The steepest weight of each matrix: differences of float32 losses are too coarse for the others.
      const at = slopes.reduce(
        (best, slope, k) => (Math.abs(slope) > Math.abs(slopes[best] ?? 0) ? k : best),
        0,
      );
      const shifted = async (by: number): Promise<number> => {
        parameters.write(name, values.with(at, (values[at] ?? 0) + by));
        return batchLoss(model, batch);
      };
      const reach = 0.05;
      const slope = ((await shifted(reach)) - (await shifted(-reach))) / (2 * reach);
      parameters.write(name, values);
      expect(slope).toBeCloseTo(slopes[at] ?? NaN, 3);
    }
  });
});

describe('measureInterference', () => {
  it('gives both matrices with errors, and the same ones again', async () => {
    using model = modelWith({ experts: 3, topK: 1 });
    const batches = await batchesOf(model, 3);
    const [site] = weightSites(model.parameters, { layers: [1], linears: ['attention.output'] });
    if (!site) throw new Error('expected a site');
    const once = await measureInterference(model, site, { batches, directions: 1, step: 0.05 });
    expect(once.weights).toBe(3 * 16 * 16);
    expect(once.firstOrder.cells[0]?.[0]?.ratio.value).toBeCloseTo(1, 12);
    expect(once.exact?.cells[1]?.[0]?.ratio.value).not.toBeNaN();
    expect(await measureInterference(model, site, { batches, directions: 1, step: 0.05 })).toEqual(once);
    const plain = await measureInterference(model, site, { batches, directions: 0 });
    expect(plain.exact).toBeUndefined();
  });

  it('restores the weights also when it is stopped in the middle', async () => {
    using model = modelWith(undefined);
    const batches = await batchesOf(model, 3);
    const [site] = weightSites(model.parameters, { layers: [1] });
    if (!site) throw new Error('expected a site');
    const before = await allValues(model);
    const gradients = await Promise.all(
      batches.map((taskBatches) =>
        Promise.all(taskBatches.map((batch) => batchGradient(model, batch, site))),
      ),
    );
    const controller = new AbortController();
    await expect(
      exactChanges(model, site, {
        batches,
        gradients,
        step: 1,
        signal: controller.signal,
        progress: () => controller.abort(),
      }),
    ).rejects.toThrow('stopped before all changes were measured; the weights are as they were');
    expect(await allValues(model)).toEqual(before);
  });

  it('says what it needs', async () => {
    using model = modelWith(undefined);
    const batches = await batchesOf(model, 2);
    const [site] = weightSites(model.parameters, { layers: [1] });
    if (!site) throw new Error('expected a site');
    await expect(measureInterference(model, site, { batches })).rejects.toThrow(
      'expected two or more tasks with the same number of batches, at least 3, got 2, 2',
    );
    const three = await batchesOf(model, 3);
    await expect(measureInterference(model, site, { batches: three })).rejects.toThrow(
      'expected a step above 0 and from 0 to 2 directions, got 0.001 and 4',
    );
    expect(() => weightSites(model.parameters, { layers: [0] })).toThrow(
      'expected layers from 1 to 1, got 0; layers are counted from 1',
    );
    expect(() => weightSites(model.parameters, { linears: ['ffn.fc3'] })).toThrow(
      'unknown linear "ffn.fc3": did you mean "ffn.fc',
    );
    expect(weightSites(model.parameters).map(({ layer, linear }) => [layer, linear])).toEqual([
      [1, 'ffn.fc2'],
    ]);
  });
});
