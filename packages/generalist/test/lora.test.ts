/** Low-rank adaptation: what its products compute, on which linears and experts, what is drawn, and its settings. */
import { createBatchRandom, createRandom } from '@polygate/core';
import type { AdapterContext } from '@polygate/encoder';
import { describeAdapter, tuningMethodNamed, type AdapterForm, type Generalist } from '@polygate/generalist';
import type { ParameterSet } from '@polygate/nn';
import { segmentRows } from '@polygate/tasks';
import { textSequences } from '@polygate/modalities';
import { selectEngine } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { conditionalModel, tinyModel } from './tiny-suite.ts';
import { batchOf, disturb, expectGradients, lossOf, naming, settingsOf } from './tuned-models.ts';

const settings = (change: object = {}) => settingsOf({ method: 'lora', rank: 2, alpha: 4, ...change });

const tuned = (base: ReturnType<typeof tinyModel>, change: object = {}): Generalist =>
  base.tuned({ settings: settings(change), tasks: [naming], random: createRandom(3) });

const namesOf = ({ parameters }: Pick<Generalist, 'parameters'>): readonly string[] =>
  parameters.specs.map(({ name }) => name);

beforeAll(async () => void (await selectEngine({ engine: 'wasm' })));

/** The method on given matrices, as an encoder asks it. */
const begin = (
  matrices: Readonly<Record<string, number[][]>>,
  change: object,
  context: Partial<AdapterContext> = {},
) => {
  const form = tuningMethodNamed('lora').adapter as AdapterForm<object>;
  const parameters = {
    has: (name: string) => name in matrices,
    get: (name: string) => tf.tensor2d(matrices[name] ?? [[]]),
  } as unknown as ParameterSet;
  const batch = textSequences([[1], [2]], { padding: 0, row: segmentRows.name });
  return form.begin(
    { settings: settings(change), parameters },
    { batch, side: 'inputs', training: false, random: undefined, ...context },
  );
};

describe('the product of a pair', () => {
  const x = tf.tidy(() =>
    tf.tensor3d([
      [
        [1, -1],
        [2, 3],
      ],
    ]),
  );
  const matrices = { 'adapter.lora.0.ffn.fc1.a': [[1, 2]], 'adapter.lora.0.ffn.fc1.b': [[3], [4], [5]] };

  it('is alpha / rank B (A x), by hand, and nothing for other linears', () => {
    // A x = 1 - 2 = -1 and 2 + 6 = 8; s = 4 / 1; s B (A x) = -4 [3 4 5] and 32 [3 4 5].
    const { linear } = begin(matrices, { rank: 1, alpha: 4 });
    const out = linear?.(x, { block: 0, linear: 'ffn.fc1' }, { prompts: false });
    expect(out?.arraySync()).toEqual([
      [
        [-12, -16, -20],
        [96, 128, 160],
      ],
    ]);
    expect(linear?.(x, { block: 1, linear: 'ffn.fc1' }, { prompts: false })).toBeUndefined();
    expect(linear?.(x, { block: 0, linear: 'ffn.fc2' }, { prompts: false })).toBeUndefined();
  });

  it('is divided by the root of the rank where that is asked for', () => {
    const wide = {
      'adapter.lora.0.ffn.fc1.a': [
        [1, 0],
        [0, 1],
        [1, 1],
        [0, 0],
      ],
      'adapter.lora.0.ffn.fc1.b': [[1, 2, 3, 4]],
    };
    // A x of the first token is [1 -1 0 0], B (A x) = -1; s = 6 / 4, or 6 / 2.
    const value = (rankStabilized: boolean): number | undefined =>
      begin(wide, { rank: 4, alpha: 6, rankStabilized })
        .linear?.(x, { block: 0, linear: 'ffn.fc1' }, { prompts: false })
        ?.dataSync()[0];
    expect([value(false), value(true)]).toEqual([-1.5, -3]);
  });

  it('goes to the third of a fused linear that it is for', () => {
    const { linear } = begin(
      {
        'adapter.lora.0.attention.query.a': [[1, 0]],
        'adapter.lora.0.attention.query.b': [[1], [2]],
        'adapter.lora.0.attention.value.a': [[0, 1]],
        'adapter.lora.0.attention.value.b': [[3], [4]],
      },
      { rank: 1, alpha: 1 },
    );
    const out = linear?.(x, { block: 0, linear: 'attention.qkv' }, { prompts: false });
    expect(out?.arraySync()).toEqual([
      [
        [1, 2, 0, 0, -3, -4],
        [2, 4, 0, 0, 9, 12],
      ],
    ]);
  });

  it('drops inputs by sample: its draws go with its place, and with the linear', () => {
    const wide = Array.from({ length: 64 }, (_, i) =>
      Array.from({ length: 64 }, (_, j) => (i === j ? 1 : 0)),
    );
    const identity = {
      'adapter.lora.0.ffn.fc1.a': wide,
      'adapter.lora.0.ffn.fc1.b': wide,
      'adapter.lora.1.ffn.fc1.a': wide,
      'adapter.lora.1.ffn.fc1.b': wide,
    };
    const streams = createRandom(1);
    const dropped = (size: number, first: number, block = 0): number[][][] => {
      const random = createBatchRandom({
        samples: streams.fork('samples'),
        step: streams.fork('step'),
        first,
      });
      const { linear } = begin(identity, { rank: 64, alpha: 64, dropout: 0.25 }, { training: true, random });
      const out = linear?.(tf.ones([size, 3, 64]), { block, linear: 'ffn.fc1' }, { prompts: false });
      return out?.arraySync() ?? [];
    };
    const all = dropped(4, 0);
    expect(dropped(2, 2)).toEqual(all.slice(2));
    expect(dropped(4, 0)).toEqual(all);
    expect(dropped(4, 0, 1)).not.toEqual(all);
    expect(all[0]).not.toEqual(all[1]);
    const flat = all.flat(2);
    // Kept ones are 4 / 3; of 768, a quarter is dropped: 192 with deviation 12.
    expect(new Set(flat)).toEqual(new Set([0, Math.fround(4 / 3)]));
    expect(Math.abs(flat.filter((value) => value === 0).length - 192)).toBeLessThan(60);
    const { linear } = begin(identity, { rank: 64, alpha: 64, dropout: 0.25 });
    const evaluated = linear?.(tf.ones([1, 3, 64]), { block: 0, linear: 'ffn.fc1' }, { prompts: false });
    expect(new Set(evaluated?.dataSync())).toEqual(new Set([1]));
  });
});

describe('a model with low-rank products', () => {
  it.each([
    ['dense', undefined, {}],
    ['experts that share them', { experts: 3 }, {}],
    ['an own one of each expert', { experts: 3, topK: 3, noise: 0 }, { experts: 'each' }],
    [
      'thirds of the fused linear, norms and a head',
      { experts: 3 },
      {
        linears: ['attention.query', 'attention.value'],
        norms: true,
        classes: 'head',
        rankStabilized: true,
      },
    ],
    [
      'tokens that choose their experts',
      { experts: 3, condition: 'token', topK: 3, noise: 0, capacityFactor: 'dropless' },
      { experts: 'each' },
    ],
  ] as const)('begins at its base; gradients agree with central differences: %s', (_, moe, change) => {
    using base = conditionalModel(moe);
    using model = tuned(base, change);
    const batch = batchOf(model);
    expect(lossOf(model, batch)).toBeCloseTo(lossOf(base, batch), 6);
    disturb(model);
    expect(lossOf(model, batch)).not.toBeCloseTo(lossOf(base, batch), 3);
    expectGradients(model, base);
  });

  it('draws A uniformly within 1 / sqrt(inputs), as peft does, and has B at 0', async () => {
    using base = tinyModel();
    using model = tuned(base, { rank: 32 });
    // fc2 has 32 inputs: 1 / sqrt(32) = 0.1768; 1024 values come close to the bounds.
    const a = await model.parameters.read('adapter.lora.0.ffn.fc2.a');
    expect(Math.max(...a)).toBeLessThan(0.17678);
    expect(Math.max(...a)).toBeGreaterThan(0.17);
    expect(Math.min(...a)).toBeLessThan(-0.17);
    expect(new Set(await model.parameters.read('adapter.lora.0.ffn.fc2.b'))).toEqual(new Set([0]));
  });

  it('adds to the weight of an expert what is its own, and to that of no other', () => {
    using base = conditionalModel({ experts: 3, topK: 3, noise: 0 });
    using model = tuned(base, { experts: 'each' });
    disturb(model);
    const batch = batchOf(model);
    const loss = lossOf(model, batch);
    using plain = conditionalModel({ experts: 3, topK: 3, noise: 0 });
    for (const linear of ['attention.qkv', 'attention.output', 'ffn.fc1', 'ffn.fc2']) {
      for (const expert of [0, 1, 2]) {
        const path = `blocks.0.${linear}.experts.${expert}.weight`;
        const [a, b] = ['a', 'b'].map(
          (matrix) =>
            model.parameters.get(`adapter.lora.0.${linear}.experts.${expert}.${matrix}`) as tf.Tensor2D,
        ) as [tf.Tensor2D, tf.Tensor2D];
        const sum = tf.tidy(() => tf.add(plain.parameters.get(path), tf.mul(tf.matMul(b, a), 4 / 2)));
        plain.parameters.write(path, Float32Array.from(sum.dataSync()));
        sum.dispose();
      }
    }
    expect(loss).toBeCloseTo(lossOf(plain, batch), 5);
  });
});

describe('settings of low-rank adaptation', () => {
  it('name linears by patterns, whether attention is fused or split', () => {
    using fused = tinyModel(1, { moe: undefined, tasks: [naming] });
    const names = (change: object, base = fused): readonly string[] => {
      using model = tuned(base, change);
      return namesOf(model).filter((name) => name.endsWith('.a'));
    };
    expect(names({})).toEqual(
      ['attention.qkv', 'attention.output', 'ffn.fc1', 'ffn.fc2'].map((name) => `adapter.lora.0.${name}.a`),
    );
    expect(names({ linears: ['attention.query', 'ffn.fc2', 'ffn.*'] })).toEqual([
      'adapter.lora.0.attention.query.a',
      'adapter.lora.0.ffn.fc2.a',
      'adapter.lora.0.ffn.fc1.a',
    ]);
    const split = describeAdapter(settings({ linears: ['attention.qkv'] }), {
      encoder: { ...fused.encoder.config, splitAttention: true },
      base: [],
      tasks: [],
    });
    expect(split.specs.map(({ name, shape }) => `${name} ${shape.join('x')}`)).toEqual(
      ['query', 'key', 'value'].flatMap((name) => [
        `adapter.lora.0.attention.${name}.a 2x16`,
        `adapter.lora.0.attention.${name}.b 16x2`,
      ]),
    );
  });

  it.each([
    [{ rank: 0 }, /tune\.rank: expected .*1/u],
    [{ rank: 5000 }, /tune\.rank: expected .*4096/u],
    [{ alpha: 0 }, /tune\.alpha/u],
    [{ dropout: 1 }, /tune\.dropout/u],
    [{ blocks: [] }, /tune\.blocks/u],
    [{ ranks: 3 }, /ranks/u],
  ])('have bounds: %j', (change, text) => {
    expect(() => settings(change)).toThrow(text);
  });

  it('are refused where they fit no base', () => {
    using base = conditionalModel({ experts: 3 });
    expect(() => tuned(base, { linears: ['attention.q'] })).toThrow(
      'unknown linear of tune.linears "attention.q": did you mean "attention.*"? known: attention.*, attention.key, attention.output, attention.qkv, attention.query, attention.value, ffn.*, ffn.fc1, ffn.fc2',
    );
    expect(() => tuned(base, { blocks: [0, 1] })).toThrow(
      'tune: expected blocks of 0 to 0, got 1; correct tune.blocks',
    );
    expect(() => tuned(base, { linears: [] })).toThrow(
      'tune: expected something to train, got settings of lora that add nothing; switch a part of it on',
    );
    expect(() => tuned(base, { experts: 'each', dropout: 0.1 })).toThrow(
      'tune: expected no dropout for experts=each, whose products are in the weights that all samples share, got 0.1; leave tune.dropout out, or have experts=shared',
    );
  });
});
