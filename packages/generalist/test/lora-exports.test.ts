/** A low-rank adapter in the weights of its base, and in peft's form. */
import { createRandom } from '@polygate/core';
import { savePeftAdapter, type Generalist, type UniPerceiverModel } from '@polygate/generalist';
import { readSafetensors } from '@polygate/nn';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { conditionalModel } from './tiny-suite.ts';
import { batchOf, disturb, lossOf, naming, settingsOf } from './tuned-models.ts';

let folder = '';
beforeAll(async () => {
  await selectEngine({ engine: 'wasm' });
  folder = await mkdtemp(join(tmpdir(), 'polygate-lora-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const tuned = (base: UniPerceiverModel, change: object = {}): Generalist => {
  const settings = settingsOf({ method: 'lora', rank: 2, alpha: 2, ...change });
  const model = base.tuned({ settings, tasks: [naming], random: createRandom(3) });
  disturb(model);
  return model;
};

const scoresOf = async (model: Generalist): Promise<readonly number[]> => [
  ...(await model.scores(batchOf(model), { task: 'naming' })),
];

const expectAlike = (got: readonly number[], expected: readonly number[]): void => {
  const scale = Math.max(...expected.map(Math.abs));
  got.forEach((value, i) => expect(Math.abs(value - (expected[i] ?? NaN)) / scale).toBeLessThan(1e-5));
};

describe('an adapter in the weights of its base', () => {
  it.each([
    ['dense', undefined, {}],
    [
      'dense, thirds, norms and a head',
      undefined,
      { linears: ['attention.query', 'ffn.*'], norms: true, classes: 'head' },
    ],
    ['experts that share it', { experts: 3, topK: 2 }, { rankStabilized: true }],
    ['experts that have one each', { experts: 3, topK: 1 }, { experts: 'each', norms: true }],
    [
      'experts of tokens',
      { experts: 3, condition: 'token', capacityFactor: 'dropless' },
      { classes: 'token' },
    ],
  ] as const)(
    'answers as beside it, shares nothing, and leaves nothing behind: %s',
    async (_, moe, change) => {
      using base = conditionalModel(moe);
      const before = await scoresOf(base);
      using model = tuned(base, change);
      const expected = await scoresOf(model);
      const tensors = tf.memory().numTensors;
      const folded = model.exports?.folded?.();
      if (!folded) throw new Error('expected a folded model');
      expectAlike(await scoresOf(folded), expected);
      expect(folded.config.adapter === undefined).toBe(!('classes' in change));
      expect(lossOf(folded, batchOf(folded))).toBeCloseTo(lossOf(model, batchOf(model)), 4);
      folded.dispose();
      expect(tf.memory().numTensors).toBe(tensors);
      expect(await scoresOf(base)).toEqual(before);
    },
  );

  it.each([
    ['shared', { experts: 3, topK: 1 }, {}],
    ['each', { experts: 3, topK: 1 }, { experts: 'each' }],
    ['a head beside it', { experts: 3, topK: 2 }, { classes: 'head', norms: true }],
  ] as const)('is in merged weights, too: %s', async (_, moe, change) => {
    using base = conditionalModel(moe);
    using model = tuned(base, change);
    const expected = await scoresOf(model);
    const tensors = tf.memory().numTensors;
    const merged = model.exports?.merged?.({ tasks: ['naming'] }).model;
    if (!merged) throw new Error('expected a merged model');
    expect(merged.isExported).toBe(true);
    expect(merged.parameters.specs.some(({ name }) => name.startsWith('adapter.lora.'))).toBe(false);
    expectAlike(await scoresOf(merged), expected);
    merged.dispose();
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it('is refused by experts that can have no share of it, but goes into their merged weights', () => {
    const refusal = (moe: Parameters<typeof conditionalModel>[0]): (() => void) => {
      return () => {
        using base = conditionalModel(moe);
        using model = tuned(base);
        model.exports?.folded?.().dispose();
      };
    };
    expect(refusal({ experts: 3, topK: 1 })).toThrow(
      'adapter: expected experts that can take what is added beside them into their weights, got those of "experts", whose shares of a token add up to less than 1; keep the adapter beside its base, or tune with experts=each',
    );
    expect(refusal({ experts: 3, condition: 'token' })).toThrow(
      'got those of "experts" by token, of which a token may get none; keep',
    );
  });
});

describe('an adapter in peft’s form', () => {
  it('has a product for each weight of a dense or merged base, thirds of a fused linear as one', async () => {
    using base = conditionalModel({ experts: 3 });
    using exported = base.exports?.merged?.({ tasks: ['naming'] }).model as UniPerceiverModel;
    using model = tuned(exported, {
      linears: ['attention.query', 'attention.value', 'ffn.fc1'],
      norms: true,
    });
    await savePeftAdapter(model, join(folder, 'thirds'), 'a'.repeat(64));
    const read = async (name: string): Promise<string> => readFile(join(folder, 'thirds', name), 'utf8');
    const config = JSON.parse(await read('adapter_config.json')) as Record<string, unknown>;
    const sets = (linear: string): readonly string[] =>
      [0, 1].map((set) => `blocks.0.${linear}.merged.${set}`);
    const qkv = sets('attention.qkv');
    expect(config).toMatchObject({ peft_type: 'LORA', r: 2, lora_alpha: 2, use_rslora: false });
    expect(config['target_modules']).toEqual([...qkv, ...sets('ffn.fc1')]);
    expect(config['rank_pattern']).toEqual(Object.fromEntries(qkv.map((name) => [name, 4])));
    expect(config['alpha_pattern']).toEqual(Object.fromEntries(qkv.map((name) => [name, 4])));
    const { tensors } = await readSafetensors(join(folder, 'thirds', 'adapter_model.safetensors'));
    const of = (name: string) => tensors.get(`base_model.model.blocks.0.${name}`);
    expect(of('attention.qkv.merged.1.lora_A.weight')?.shape).toEqual([4, 16]);
    // Rows of the keys are 0 in both products, those of the queries in the second, those of the values in the first.
    const b = [...(of('attention.qkv.merged.1.lora_B.weight')?.data as Float32Array)];
    const query = [...(await model.parameters.read('adapter.lora.0.attention.query.b'))];
    const value = [...(await model.parameters.read('adapter.lora.0.attention.value.b'))];
    const expected = Array.from({ length: 48 }, (_, row) =>
      row < 16
        ? [query[2 * row], query[2 * row + 1], 0, 0]
        : row < 32
          ? [0, 0, 0, 0]
          : [0, 0, value[2 * (row - 32)], value[2 * (row - 32) + 1]],
    );
    expect(b).toEqual(expected.flat());
    expect(of('norm1.weight')?.shape).toEqual([16]);
    expect(config['modules_to_save']).toContain('blocks.0.norm1');
  });

  it('is refused for what peft has no form of', async () => {
    using base = conditionalModel(undefined);
    using headed = tuned(base, { classes: 'head' });
    await expect(savePeftAdapter(headed, join(folder, 'headed'), 'a')).rejects.toThrow(
      'peft: expected products of linears alone, got a model of the method lora with heads or tokens of classes; tune with classes=none, or export it as a model or an adapter',
    );
    await expect(savePeftAdapter(base, join(folder, 'base'), 'a')).rejects.toThrow(
      'peft: expected products of linears alone, got a model without an adapter; export it as a model or an adapter',
    );
  });
});
