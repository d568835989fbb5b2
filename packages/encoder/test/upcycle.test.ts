/** Encoders with experts that start from others: what they compute at first, and what cannot be a start. */
import { createRandom } from '@polygate/core';
import {
  createUniPerceiver,
  exportMerged,
  upcycle,
  type EncodeOptions,
  type ExpertConfig,
  type SequenceInput,
  type UniPerceiver,
} from '@polygate/encoder';
import { leakedTensors, maximumDifference, testEngines } from '@polygate/tensor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { captionBatch, disposeInput, drawnModel, inputOf, keys, tiny } from './tiny-models.ts';

const engines = await testEngines();

beforeAll(async () => {
  await engines[0]?.use();
});

const encoded = (model: UniPerceiver, input: SequenceInput, options: EncodeOptions = {}): Float32Array => {
  const hidden = model.encode(input, options);
  const values = Float32Array.from(hidden.dataSync());
  hidden.dispose();
  return values;
};

const conditions: readonly (readonly [string, ExpertConfig])[] = [
  ['attribute, two of eight', { condition: 'attribute' }],
  ['modality, every other block', { condition: 'modality', every: 2, topK: 1, renormalize: true }],
  ['task, gates for each linear', { condition: 'task', tasks: ['a', 'b'], experts: 3, separateGates: true }],
  ['copies of each task', { condition: 'task-specific', tasks: ['a', 'b'] }],
  ['token, feed-forward only', { condition: 'token', capacityFactor: 'dropless', attention: false }],
  ['context', { condition: 'context', capacityFactor: 'dropless', topK: 3 }],
  ['all experts, gates as they are', { experts: 3, topK: 3, renormalize: false }],
];

describe('upcycling', () => {
  it.each(conditions)('by %s computes what the dense encoder does', async (_, moe) => {
    const dense = drawnModel(tiny, 1);
    const model = createUniPerceiver({ ...tiny, moe }, createRandom(2));
    const input = inputOf(captionBatch(2, 3));
    const before = encoded(model, input);
    const expected = encoded(dense, input);
    expect(maximumDifference(before, expected)).toBeGreaterThan(0.01);
    await upcycle(model, dense);
    for (const options of [{}, { merged: false }]) {
      expect(maximumDifference(encoded(model, input, options), expected)).toBeLessThan(1e-5);
    }
    // The routers keep their start: they have something to choose by.
    const gate = model.parameters.has('routers.gate.weight')
      ? model.parameters.get('routers.gate.weight').dataSync()
      : [1];
    expect(Math.max(...gate)).toBeGreaterThan(0);
    disposeInput(input);
    dense.dispose();
    model.dispose();
  });

  it('tells the copies apart by noise in units of each weight’s deviation, the same for the same stream', async () => {
    const dense = drawnModel(tiny, 4);
    const make = async (noise: number): Promise<UniPerceiver> => {
      const model = createUniPerceiver({ ...tiny, moe: { experts: 4 } }, createRandom(5));
      await upcycle(model, dense, { noise, random: createRandom(6) });
      return model;
    };
    const [model, again] = [await make(0.5), await make(0.5)];
    const deviations: number[] = [];
    for (const { name, spec } of model.parameters.entries()) {
      const [, path, part] = /^(.+)\.experts\.\d+\.(weight|bias)$/u.exec(name) ?? [];
      if (path === undefined) continue;
      const values = await model.parameters.read(name);
      expect(await again.parameters.read(name)).toEqual(values);
      const start = await dense.parameters.read(`${path}.${part}`);
      const off = values.map((value, i) => value - (start[i] ?? 0));
      if (spec.role === 'bias') expect(Math.max(...off.map(Math.abs)), name).toBe(0);
      else {
        const mean = start.reduce((sum, value) => sum + value, 0) / start.length;
        const own = Math.sqrt(start.reduce((sum, value) => sum + (value - mean) ** 2, 0) / start.length);
        deviations.push(Math.sqrt(off.reduce((sum, d) => sum + d * d, 0) / off.length) / own);
      }
    }
    // 48 weights of about 100 values each: the mean of their deviations is within a few hundredths of 0.5.
    expect(deviations).toHaveLength(48);
    expect(deviations.reduce((sum, d) => sum + d, 0) / 48).toBeCloseTo(0.5, 1);
    for (const own of [dense, model, again]) own.dispose();
  });

  it('takes an encoder with the same experts as it is, noise or not', async () => {
    const moe = { condition: 'modality', experts: 4 };
    const start = drawnModel({ ...tiny, moe }, 7);
    const model = createUniPerceiver({ ...tiny, moe }, createRandom(8));
    await upcycle(model, start, { noise: 1, random: createRandom(9) });
    for (const { name } of start.parameters.entries()) {
      expect(await model.parameters.read(name), name).toEqual(await start.parameters.read(name));
    }
    start.dispose();
    model.dispose();
  });

  it('drops what was merged before, and leaks nothing', async () => {
    const dense = drawnModel(tiny, 10);
    const model = createUniPerceiver({ ...tiny, moe: {} }, createRandom(11));
    const input = inputOf(captionBatch(1, 12));
    model.encode(input).dispose();
    expect(model.mergedRows).toBe(2);
    await upcycle(model, dense);
    expect(model.mergedRows).toBe(0);
    const round = (): void => void upcycle(model, dense);
    expect(leakedTensors(round)).toEqual({ tensors: 0, buffers: 0 });
    disposeInput(input);
    dense.dispose();
    model.dispose();
  });

  it('says what keeps a checkpoint from being a start', async () => {
    const model = createUniPerceiver({ ...tiny, moe: { condition: 'token', every: 2 } }, createRandom(1));
    const other = createUniPerceiver({ ...tiny, width: 16, layers: 2 }, createRandom(1));
    await expect(upcycle(model, other)).rejects.toThrow(
      "upcycle: expected a checkpoint of the model's sizes, got others: layers (model 3, checkpoint 2), width (model 8, checkpoint 16); set the model to the checkpoint's sizes, or train a start of these",
    );
    const placed = createUniPerceiver({ ...tiny, moe: { condition: 'attribute' } }, createRandom(1));
    await expect(upcycle(model, placed)).rejects.toThrow(
      'upcycle: expected a dense checkpoint, or one whose experts are placed and chosen as the model\'s, got other experts: condition (model "token", checkpoint "attribute"), every (model 2, checkpoint 1); start from a dense checkpoint, or set model.moe to what the checkpoint has',
    );
    const exported = exportMerged(placed, [keys.text]);
    await expect(upcycle(model, exported)).rejects.toThrow(
      'upcycle: expected a trained encoder to start from, got one that was exported with merged experts; give the run that it was exported from',
    );
    const dense = createUniPerceiver(tiny, createRandom(1));
    const low = createUniPerceiver({ ...tiny, moe: { renormalize: false } }, createRandom(1));
    await expect(upcycle(low, dense)).rejects.toThrow(
      'upcycle: expected gates that sum to 1, got the 2 largest of 8 as they are (renormalize: false), which would scale the dense output down; set renormalize: true',
    );
    await expect(upcycle(model, dense, { noise: 0.1 })).rejects.toThrow(
      'upcycle: expected a random stream for the noise, got none; pass random',
    );
    await expect(upcycle(model, dense, { noise: -1 })).rejects.toThrow(
      'upcycle: expected noise of at least 0, got -1; 0 keeps the copies equal',
    );
    for (const own of [model, other, placed, exported, dense, low]) own.dispose();
  });
});
