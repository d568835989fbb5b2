/** Encoders with experts that start from others: what they compute at first, and what cannot be a start. */
import { createRandom } from '@polygate/core';
import {
  createUniPerceiver,
  exportMerged,
  planTransfer,
  transferWeights,
  type EncodeOptions,
  type Encoder,
  type EncoderConfig,
  type ExpertConfig,
  type RoutingKey,
  type TransferPlan,
  type UniPerceiver,
} from '@polygate/encoder';
import type { SequenceBatch } from '@polygate/modalities';
import { maximumDifference, testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { captionBatch, drawnModel, inputOf, keys, tiny } from './tiny-models.ts';

const engines = await testEngines();

beforeAll(async () => {
  await engines[0]?.use();
});

const encoded = (model: Encoder, input: SequenceBatch, options: EncodeOptions = {}): Float32Array => {
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
    await transferWeights(model, dense);
    for (const options of [{}, { merged: false }]) {
      expect(maximumDifference(encoded(model, input, options), expected)).toBeLessThan(1e-5);
    }
    // The routers keep their start: they have something to choose by.
    const gate = model.parameters.has('routers.gate.weight')
      ? model.parameters.get('routers.gate.weight').dataSync()
      : [1];
    expect(Math.max(...gate)).toBeGreaterThan(0);
    dense.dispose();
    model.dispose();
  });

  it('tells the copies apart by noise in units of each weight’s deviation, the same for the same stream', async () => {
    const dense = drawnModel(tiny, 4);
    const make = async (noise: number): Promise<UniPerceiver> => {
      const model = createUniPerceiver({ ...tiny, moe: { experts: 4 } }, createRandom(5));
      await transferWeights(model, dense, { noise, random: createRandom(6) });
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
        const deviation = Math.sqrt(
          start.reduce((sum, value) => sum + (value - mean) ** 2, 0) / start.length,
        );
        deviations.push(Math.sqrt(off.reduce((sum, d) => sum + d * d, 0) / off.length) / deviation);
      }
    }
    // 48 weights of about 100 values each: the mean of their deviations is within a few hundredths of 0.5.
    expect(deviations).toHaveLength(48);
    expect(deviations.reduce((sum, d) => sum + d, 0) / 48).toBeCloseTo(0.5, 1);
    for (const each of [dense, model, again]) each.dispose();
  });

  it('takes an encoder with the same experts as it is, noise or not', async () => {
    const moe = { condition: 'modality', experts: 4 };
    const start = drawnModel({ ...tiny, moe }, 7);
    const model = createUniPerceiver({ ...tiny, moe }, createRandom(8));
    await transferWeights(model, start, { noise: 1, random: createRandom(9) });
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
    await transferWeights(model, dense);
    expect(model.mergedRows).toBe(0);
    const before = tf.memory().numTensors;
    await transferWeights(model, dense, { noise: 0.1, random: createRandom(13) });
    expect(tf.memory().numTensors).toBe(before);
    dense.dispose();
    model.dispose();
  });

  it('says what keeps an encoder from being a start', async () => {
    const model = createUniPerceiver({ ...tiny, moe: { condition: 'token', every: 2 } }, createRandom(1));
    const wide = createUniPerceiver({ ...tiny, width: 16, heads: 4 }, createRandom(1));
    await expect(transferWeights(model, wide)).rejects.toThrow(
      "transfer: expected a start of the model's sizes, got others: width (model 8, start 16), heads (model 2, start 4); give the model width 16, heads 4, or train a start of the model's sizes",
    );
    const dense = createUniPerceiver(tiny, createRandom(1));
    const low = createUniPerceiver({ ...tiny, moe: { renormalize: false } }, createRandom(1));
    await expect(transferWeights(low, dense)).rejects.toThrow(
      "transfer: expected gates that sum to 1 where experts start as copies of a dense layer, or of a merged one, got the 2 largest of 8 as they are (renormalize: false), which would scale the layer's output down; set renormalize: true",
    );
    await expect(transferWeights(model, dense, { noise: 0.1 })).rejects.toThrow(
      'transfer: expected a random stream for the noise, got none; pass random',
    );
    await expect(transferWeights(model, dense, { noise: -1 })).rejects.toThrow(
      'transfer: expected noise of at least 0, got -1; 0 keeps the copies equal',
    );
    await expect(transferWeights(model, dense, { strict: true })).rejects.toThrow(
      /^transfer: expected to take every parameter of the start as it is \(strict\), got 129 others: blocks\.0\.attention\.qkv\.experts\.0\.weight copied \(experts where the start has one dense layer: copies of it\), .*, and 124 more; set the model to what the start has, or strict to false$/u,
    );
    for (const each of [model, wide, dense, low]) each.dispose();
  });
});

const transferred = async (
  config: EncoderConfig,
  start: Encoder,
): Promise<{ model: UniPerceiver; plan: TransferPlan }> => {
  const model = createUniPerceiver(config, createRandom(40));
  return { model, plan: await transferWeights(model, start) };
};

/** How parameters got their values, without those that were simply taken: name (or its end) -> how, reason. */
const others = (plan: TransferPlan): readonly string[] =>
  plan.entries
    .filter(({ source }) => source.how !== 'taken')
    .map(({ name, source, reason }) => `${name} ${source.how}: ${reason}`);

const meanOfAll = async (start: Encoder, names: readonly string[]): Promise<Float32Array> => {
  const all = await Promise.all(names.map((name) => start.parameters.read(name)));
  return (all[0] ?? new Float32Array()).map(
    (_, i) => all.reduce((sum, values) => sum + (values[i] ?? NaN), 0) / all.length,
  );
};

describe('a transfer to other tasks', () => {
  it.each(['attribute', 'modality', 'token', 'context'])(
    'takes all where experts go by %s, whatever the tasks are',
    async (condition) => {
      const moe: ExpertConfig = { condition, experts: 3, capacityFactor: 'dropless' };
      const start = drawnModel({ ...tiny, moe: { ...moe, tasks: ['a', 'b'] } }, 20);
      const { model, plan } = await transferred({ ...tiny, moe: { ...moe, tasks: ['c'] } }, start);
      expect(others(plan)).toEqual([]);
      expect(plan.left).toEqual([]);
      const input = inputOf(captionBatch(2, 21));
      expect(maximumDifference(encoded(model, input), encoded(start, input))).toBe(0);
      for (const each of [start, model]) each.dispose();
    },
  );

  it('takes the embeddings of known tasks by their names', async () => {
    const moe: ExpertConfig = { condition: 'task', experts: 3 };
    const start = drawnModel({ ...tiny, moe: { ...moe, tasks: ['b', 'gone', 'a'] } }, 22);
    const { model, plan } = await transferred({ ...tiny, moe: { ...moe, tasks: ['a', 'c', 'b'] } }, start);
    expect(others(plan)).toEqual(['routers.task.embedding partly taken: c not known to the start']);
    const [to, from] = [model, start].map((encoder) => encoder.parameters.get('routers.task.embedding'));
    const fresh = createUniPerceiver(model.config, createRandom(40));
    for (const site of [0, 5]) {
      for (const [row, origin] of [
        [0, 2],
        [2, 0],
      ] as const) {
        expect(Array.from(to?.slice([site, row], [1, 1]).dataSync() ?? [])).toEqual(
          Array.from(from?.slice([site, origin], [1, 1]).dataSync() ?? []),
        );
      }
      expect(to?.slice([site, 1], [1, 1]).dataSync()).toEqual(
        fresh.parameters.get('routers.task.embedding').slice([site, 1], [1, 1]).dataSync(),
      );
    }
    const input = inputOf(captionBatch(2, 23));
    expect(maximumDifference(encoded(model, input), encoded(start, input))).toBe(0);
    for (const each of [start, model, fresh]) each.dispose();
  });

  it('gives each known task its own copy, and a new one the mean of all', async () => {
    const start = drawnModel({ ...tiny, moe: { condition: 'task-specific', tasks: ['b', 'a'] } }, 24);
    const { model, plan } = await transferred(
      { ...tiny, moe: { condition: 'task-specific', tasks: ['a', 'c', 'b'] } },
      start,
    );
    const path = 'blocks.1.ffn.fc2.experts';
    for (const part of ['weight', 'bias']) {
      const read = (encoder: Encoder, index: number) => encoder.parameters.read(`${path}.${index}.${part}`);
      expect(await read(model, 0)).toEqual(await read(start, 1));
      expect(await read(model, 2)).toEqual(await read(start, 0));
      expect(await read(model, 1)).toEqual(
        await meanOfAll(start, [`${path}.0.${part}`, `${path}.1.${part}`]),
      );
    }
    expect(plan.entries.find(({ name }) => name === `${path}.1.weight`)).toEqual({
      name: `${path}.1.weight`,
      source: { how: 'averaged', from: [`${path}.0.weight`, `${path}.1.weight`] },
      reason: "an expert of a task that the start does not know: the mean of the start's 2 experts",
    });
    const input = inputOf(captionBatch(1, 25));
    expect(maximumDifference(encoded(model, input), encoded(start, input))).toBe(0);
    for (const each of [start, model]) each.dispose();
  });
});

describe('a transfer to other experts', () => {
  it.each([
    ['of a part of a fused linear', 'attention.query'],
    ['of a whole linear', 'ffn.fc1'],
  ])('tells copies %s apart by noise', async (_, linear) => {
    const start = drawnModel({ ...tiny, layers: 1 }, 60);
    const moe: ExpertConfig = { groups: [{ name: 'all', linears: ['*'], experts: 2 }] };
    const model = createUniPerceiver({ ...tiny, layers: 1, splitAttention: true, moe }, createRandom(61));
    await transferWeights(model, start, { noise: 0.5, random: createRandom(62) });
    const [one, two] = await Promise.all(
      [0, 1].map((e) => model.parameters.read(`blocks.0.${linear}.experts.${e}.weight`)),
    );
    expect(maximumDifference(one ?? [], two ?? [])).toBeGreaterThan(0.01);
    for (const each of [start, model]) each.dispose();
  });

  it('copies where experts are added, and keeps the routers of the blocks that had them', async () => {
    const start = drawnModel({ ...tiny, moe: { experts: 3, every: 2 } }, 26);
    const { model, plan } = await transferred({ ...tiny, moe: { experts: 3, every: 1 } }, start);
    const how = others(plan);
    expect(how.filter((line) => !line.startsWith('blocks.1.'))).toEqual(
      ['attribute.weight', 'attribute.bias', 'norm.weight', 'norm.bias', 'gate.weight'].map(
        (name) => `routers.${name} partly taken: 2 of 6 routers have no counterpart in the start`,
      ),
    );
    expect(how).toContain(
      'blocks.1.ffn.fc1.experts.2.weight copied: experts where the start has one dense layer: copies of it',
    );
    const input = inputOf(captionBatch(2, 27));
    expect(maximumDifference(encoded(model, input), encoded(start, input))).toBeLessThan(1e-5);
    for (const each of [start, model]) each.dispose();
  });

  it('gives linears with gates of their own the decisions that they followed before', async () => {
    const start = drawnModel({ ...tiny, moe: { experts: 3 } }, 28);
    const { model, plan } = await transferred({ ...tiny, moe: { experts: 3, separateGates: true } }, start);
    expect(others(plan).every((line) => line.startsWith('routers.'))).toBe(true);
    const input = inputOf(captionBatch(2, 29));
    expect(maximumDifference(encoded(model, input), encoded(start, input))).toBeLessThan(1e-6);
    for (const each of [start, model]) each.dispose();
  });

  it('averages where experts go, and says what stays behind', async () => {
    const start = drawnModel({ ...tiny, moe: { experts: 2, topK: 2, noise: 0 } }, 30);
    const { model, plan } = await transferred({ ...tiny, moe: { experts: 2, attention: false } }, start);
    const path = 'blocks.0.attention.qkv';
    expect(await model.parameters.read(`${path}.weight`)).toEqual(
      await meanOfAll(start, [`${path}.experts.0.weight`, `${path}.experts.1.weight`]),
    );
    expect(others(plan)).toContain(
      `${path}.weight averaged: one dense layer where the start has 2 experts: their mean`,
    );
    const dense = await transferred(tiny, start);
    expect(others(dense.plan)).toHaveLength(3 * 4 * 2);
    expect(new Set(dense.plan.left.map(({ reason }) => reason))).toEqual(
      new Set(['the model has no router that looks at the same']),
    );
    for (const each of [start, model, dense.model]) each.dispose();
  });

  it('takes experts by their number where there are more or fewer, and new routers for another condition', async () => {
    const start = drawnModel({ ...tiny, moe: { experts: 3 } }, 31);
    const more = await transferred({ ...tiny, moe: { experts: 4 } }, start);
    expect(others(more.plan)).toContain(
      "blocks.2.ffn.fc2.experts.3.bias averaged: more experts than the start's 3: the mean of the start's 3 experts",
    );
    expect(others(more.plan)).toContain('routers.gate.weight partly taken: expert 3 not known to the start');
    const fewer = await transferred({ ...tiny, moe: { experts: 2 } }, start);
    expect(fewer.plan.left).toContainEqual({
      name: 'blocks.0.ffn.fc1.experts.2.weight',
      reason: 'the model has no expert in its place',
    });
    const other = await transferred({ ...tiny, moe: { experts: 3, condition: 'modality', topK: 1 } }, start);
    expect(others(other.plan)).toEqual(
      ['modality.embedding', 'gate.weight'].map(
        (name) => `routers.${name} new: routers look at modality, those of the start at attribute`,
      ),
    );
    expect(other.plan.settings).toEqual([
      'moe.topK (model 1, start 2)',
      'moe.renormalize (model false, start true)',
    ]);
    for (const each of [start, more.model, fewer.model, other.model]) each.dispose();
  });
});

describe('a transfer from merged experts', () => {
  const exported = (moe: ExpertConfig, rows: readonly RoutingKey[]) => {
    using trained = drawnModel({ ...tiny, moe }, 50);
    return exportMerged(trained, rows);
  };
  /** Rows of {@link captionBatch}, and one more. */
  const served = [keys.captionImage, keys.captionText, keys.text];

  it.each([
    ['attribute', { experts: 8 }, 1e-5],
    // One expert each and another that is chosen with it: its gate is e^-12.
    ['attribute', { experts: 3 }, 1e-3],
    ['modality', { experts: 5, topK: 2 }, 1e-5],
    ['task', { experts: 4, tasks: ['z', 'a'] }, 1e-5],
  ])('by %s, %o, computes what the exported encoder does', async (condition, moe, bound) => {
    const start = exported({ experts: 4, tasks: ['a', 'b'], condition }, served);
    const sets = start.config.merged.groups[0]?.rows.length ?? 0;
    const { model, plan } = await transferred({ ...tiny, moe: { condition, ...moe } }, start);
    const input = inputOf(captionBatch(2, 51));
    expect(maximumDifference(encoded(model, input), encoded(start, input))).toBeLessThan(bound);
    expect(others(plan)).toContain(
      sets === 1
        ? 'blocks.0.ffn.fc1.experts.1.weight copied: experts where the start has one merged set: copies of it'
        : `blocks.0.ffn.fc1.experts.1.weight copied: experts shared out among the start's ${sets} merged sets`,
    );
    expect(others(plan).some((line) => line.startsWith('routers.gate.weight fitted'))).toBe(sets > 1);
    expect(plan.left).toEqual([]);
    for (const each of [start, model]) each.dispose();
  });

  it('keeps the sets apart where gates have to learn, and chooses among all experts of a set', async () => {
    const start = exported({ experts: 4 }, served);
    const { model } = await transferred({ ...tiny, moe: { experts: 9, topK: 2 } }, start);
    const reports = model.routing(served);
    expect(reports).toHaveLength(6);
    for (const { chosen, probabilities } of reports) {
      chosen.forEach((experts, row) => {
        expect(experts.map((expert) => Math.floor(expert / 3))).toEqual([row, row]);
        // No gate is so near to 0 or 1 that its router would learn nothing.
        expect(probabilities[row * 9 + (experts[0] ?? 0)]).toBeLessThan(0.99);
      });
    }
    for (const each of [start, model]) each.dispose();
  });

  it('gives tasks their own sets by name', async () => {
    const tasks = ['a', 'b', 'c'];
    const rows = tasks.map((task) => ({ ...keys.text, task }));
    const start = exported({ condition: 'task', experts: 4, tasks }, rows);
    const { model, plan } = await transferred(
      { ...tiny, moe: { condition: 'task-specific', tasks: ['c', 'new', 'a'] } },
      start,
    );
    const read = (encoder: Encoder, name: string) =>
      encoder.parameters.read(`blocks.2.attention.output.${name}.weight`);
    expect(await read(model, 'experts.0')).toEqual(await read(start, 'merged.2'));
    expect(await read(model, 'experts.2')).toEqual(await read(start, 'merged.0'));
    expect(others(plan)).toContain(
      "blocks.0.ffn.fc1.experts.1.bias averaged: an expert of a task that the start does not know: the mean of the start's 3 merged sets",
    );
    for (const each of [start, model]) each.dispose();
  });

  it('averages sets that no router can tell apart, and refuses gates that would scale them', async () => {
    const start = exported({ experts: 4 }, served);
    const { plan } = await transferred({ ...tiny, moe: { experts: 2, condition: 'token' } }, start);
    expect(others(plan)).toContain(
      "blocks.0.ffn.fc1.experts.1.bias averaged: experts that no row of the start can be sent to: the mean of the start's 3 merged sets",
    );
    expect(() => planTransfer({ ...tiny, moe: { experts: 8, topK: 1 } }, start.config)).toThrow(
      'transfer: expected gates that sum to 1 where experts start as copies of a dense layer, or of a merged one, got the 1 largest of 8',
    );
    start.dispose();
  });
});

describe('a transfer to other lengths, depths and patches', () => {
  it('takes the rows that both have', async () => {
    const start = drawnModel(tiny, 32);
    const { model, plan } = await transferred(
      {
        ...tiny,
        maxPositions: 9,
        maxFrames: 2,
        layers: 4,
        patch: { size: 4, channels: 1 },
        temperatures: ['image-captioning', 'ranking'],
      },
      start,
    );
    expect(others(plan).filter((line) => !line.startsWith('blocks.3.'))).toEqual([
      "embedding.position partly taken: 3 new text positions after the start's 6",
      'embedding.patch.weight new: patches of another size or other channels in the start',
      "embedding.frame interpolated: 2 frames between the start's 4",
      'temperature.ranking new: a temperature that the start does not have',
    ]);
    expect(others(plan)).toContain('blocks.3.ffn.fc1.weight new: a block that the start does not have');
    const positions = await model.parameters.read('embedding.position');
    expect(positions.subarray(0, 6 * 8)).toEqual(await start.parameters.read('embedding.position'));
    const fresh = createUniPerceiver(model.config, createRandom(40));
    expect(positions.subarray(6 * 8)).toEqual(
      (await fresh.parameters.read('embedding.position')).subarray(6 * 8),
    );
    const shallow = planTransfer({ ...tiny, layers: 2 }, tiny);
    expect(shallow.left).toHaveLength(14);
    expect(shallow.left[0]).toEqual({
      name: 'blocks.2.norm1.weight',
      reason: 'the model does not have this block',
    });
    for (const each of [start, model, fresh]) each.dispose();
  });
});
