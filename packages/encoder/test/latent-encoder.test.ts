/** The blocks and the encoder of SM^4: against plain loops, finite differences, and what must not matter. */
import { createRandom, type Random } from '@polygate/core';
import {
  createRoutingTrace,
  describeLatentEncoder,
  ExpertBlocks,
  describeExpertBlocks,
  gridPositions,
  LatentEncoder,
  resolveLatentConfig,
  tokenWidth,
  type BlocksOptions,
  type ExpertBlocksConfig,
  type ExpertGroupConfig,
  type LatentEncoderConfig,
  type LatentInputs,
} from '@polygate/encoder';
import { allocateParameters, parameterGradients, sizeOf, type ParameterSet } from '@polygate/nn';
import { leakedTensors, randomTensor, relativeDifference, testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { plainBlocks, type PlainPosition } from './plain-blocks.ts';
import { rows } from './tiny-models.ts';

// In bf16 the inputs of a router are rounded, which may swap two experts that are almost level: no twin is exact.
const engines = (await testEngines()).filter(({ precision }) => precision !== 'bf16');

const common = {
  condition: 'token',
  experts: 4,
  topK: 1,
  renormalize: false,
  noise: 0,
  capacityFactor: 'dropless',
} as const;
const losses = { importance: 0.1, load: 0.1 };
const attend: ExpertGroupConfig = {
  ...common,
  name: 'attention',
  linears: ['attention.query', 'attention.key', 'attention.value'],
  losses,
};
const feed: ExpertGroupConfig = { ...common, name: 'ffn', linears: ['ffn.*'], wholeExperts: true, losses };

const inputs = { image: { width: 3, axes: 2 }, sound: { width: 2, axes: 1 } };
const base: LatentEncoderConfig = {
  ...{ inputs, width: 8, latents: 3, crossHeadWidth: 4, latentHeads: 2, latentHeadWidth: 4, latentHidden: 8 },
  ...{ heads: 2, layers: 2, bands: 2, tasks: ['a', 'b'] },
};
const withGroups = (groups: readonly ExpertGroupConfig[], change: Partial<LatentEncoderConfig> = {}) => ({
  ...base,
  ...change,
  moe: { groups },
});

const drawn = (specs: Parameters<typeof allocateParameters>[0], random: Random): ParameterSet => {
  const set = allocateParameters(specs, random);
  for (const { name, spec, variable } of set.entries()) {
    if (spec.role === 'weight') continue;
    const stream = random.fork(`drawn ${name}`);
    const start = variable.dataSync();
    set.write(
      name,
      Float32Array.from({ length: variable.size }, (_, i) =>
        spec.role === 'gate' ? stream.normal() : (start[i] ?? 0) + 0.3 * stream.normal(),
      ),
    );
  }
  return set;
};

const blocksOf = (config: LatentEncoderConfig): ExpertBlocksConfig => {
  const { width, hidden, layers, heads, moe } = resolveLatentConfig(config);
  return {
    width,
    hidden,
    layers,
    heads,
    splitAttention: true,
    layerScale: undefined,
    ...(moe ? { moe } : {}),
  };
};

const segments = [
  { key: { modality: 'image', task: 'b', attributes: rows.image }, length: 3 },
  { key: { modality: 'sound', task: 'b', attributes: rows.text }, length: 3 },
];

describe.each(engines)('blocks of experts on $title equal plain loops', (engine) => {
  beforeAll(() => engine.use());

  it.each<readonly [string, readonly ExpertGroupConfig[], (modality: string) => number]>([
    ['one expert a token, a router for each of query, key, value', [attend, feed], () => 1],
    ['three experts', [attend, feed], () => 3],
    ['as many as the modality has', [attend, feed], (modality) => (modality === 'image' ? 3 : 1)],
    [
      'a router for all of attention',
      [{ ...attend, linears: [['attention.query', 'attention.key', 'attention.value']] }, feed],
      () => 2,
    ],
    [
      'routers by modality in attention and by task behind it',
      [
        { ...attend, condition: 'token-by-modality' },
        { ...feed, condition: 'token-by-task' },
      ],
      () => 2,
    ],
    ['without experts in the feed-forward part, every other block', [{ ...attend, blocks: [1] }], () => 2],
    ['without experts in attention', [feed], () => 2],
  ])('%s', (_, groups, topKOf) => {
    const config = blocksOf(withGroups(groups));
    const parameters = drawn(describeExpertBlocks(config), createRandom(3));
    const blocks = new ExpertBlocks(config, parameters);
    const x = randomTensor<tf.Rank.R3>(createRandom(4), [2, 6, 8]);
    // The second sample lacks its sound.
    const keyPadding = Uint8Array.from({ length: 12 }, (_position, i) => Number(i >= 9));
    const topK: BlocksOptions['topK'] = (_group, { modality }) => topKOf(modality);
    const got = blocks.run({ x, segments, keyPadding }, { topK });
    const positions = segments.flatMap(({ key, length }) =>
      new Array<PlainPosition>(length).fill({ ...key, topK: topKOf(key.modality) }),
    );
    const plain = { parameters, layers: config.layers, heads: config.heads, moe: config.moe as never };
    const expected = (x.arraySync() as number[][][]).map((sample, b) =>
      plainBlocks(
        plain,
        sample,
        positions,
        positions.map((_position, t) => b === 1 && t >= 3),
      ),
    );
    expect(relativeDifference(got.dataSync(), expected.flat(2))).toBeLessThan(1e-4);
    tf.dispose([x, got]);
    parameters.dispose();
  });

  it('and their gradients the differences of their loss, that of the routers included', () => {
    const config = blocksOf(withGroups([attend, feed], { layers: 1, width: 4, hidden: 4 }));
    const parameters = drawn(describeExpertBlocks(config), createRandom(8));
    const blocks = new ExpertBlocks(config, parameters);
    const x = randomTensor<tf.Rank.R3>(createRandom(9), [1, 6, 4]);
    const factors = randomTensor<tf.Rank.R3>(createRandom(10), [1, 6, 4]);
    const topK: BlocksOptions['topK'] = (_group, { modality }) => (modality === 'image' ? 2 : 1);
    const loss = (): tf.Scalar => {
      const routing = createRoutingTrace();
      const hidden = blocks.run({ x, segments }, { topK, training: true, noise: false, routing });
      return tf.add(tf.sum(tf.mul(hidden, factors)), routing.losses[0]?.weighted ?? 0);
    };
    const { gradients, loss: value } = parameterGradients(parameters, loss);
    const evaluate = (): number => tf.tidy(() => loss().dataSync()[0] ?? Number.NaN);
    const step = 1e-2;
    let reached = 0;
    for (const [name, gradient] of Object.entries(gradients)) {
      const start = Float32Array.from(parameters.get(name).dataSync());
      // Some elements of each: all of them would take minutes.
      const looked = start.map((_, i) => i).filter((i) => i % Math.ceil(start.length / 4) === 0);
      const expected = looked.map((i) => {
        const at = (change: number): number => {
          parameters.write(
            name,
            start.map((each, j) => (j === i ? each + change : each)),
          );
          return evaluate();
        };
        return (at(step) - at(-step)) / (2 * step);
      });
      parameters.write(name, start);
      const got = gradient.dataSync();
      const scale = Math.max(1e-2, ...got.map(Math.abs));
      for (const [at, i] of looked.entries()) {
        expect(Math.abs((got[i] ?? Number.NaN) - (expected[at] ?? 0)) / scale, name).toBeLessThan(0.02);
      }
      reached += 1;
    }
    expect(gradients['routers.attention.gate.weight']).toBeDefined();
    expect(reached).toBeGreaterThan(20);
    tf.dispose([gradients, value, x, factors]);
    parameters.dispose();
  });
});

/** Six patches of a 2 x 3 grid and four pieces of sound for some samples. */
const batchOf = (size: number, seed = 5): LatentInputs[] => {
  const random = createRandom(seed);
  return [
    {
      modality: 'image',
      row: rows.image,
      tokens: randomTensor<tf.Rank.R3>(random, [size, 6, 3]),
      positions: gridPositions([2, 3]),
    },
    {
      modality: 'sound',
      row: rows.text,
      tokens: randomTensor<tf.Rank.R3>(random, [size, 4, 2]),
      positions: gridPositions([4]),
    },
  ];
};

describe('the encoder of latents', () => {
  const config = withGroups([attend, feed]);
  const made = (change: Partial<LatentEncoderConfig> = {}, seed = 11) => {
    const parameters = drawn(describeLatentEncoder({ ...config, ...change }), createRandom(seed));
    return { parameters, encoder: new LatentEncoder({ ...config, ...change }, parameters) };
  };
  const valuesOf = (tensors: readonly tf.Tensor[]): number[][] => {
    const values = tensors.map((tensor) => Array.from(tensor.dataSync()));
    tf.dispose([...tensors]);
    return values;
  };
  beforeAll(() => engines[0]?.use());

  it('brings tokens to the width of the widest code, values and flags', () => {
    // An image has 3 values and 2 axes of 2 sines, 2 cosines and itself; two modalities have a flag each.
    expect(tokenWidth(resolveLatentConfig(config))).toBe(3 + 2 * 5 + 2);
    const expert = describeLatentEncoder({ ...config, width: 64, heads: 8, layers: 1 }).filter(({ name }) =>
      name.includes('.experts.0.'),
    );
    // Three projections of 64 x 64 and a feed-forward part of 64 x 128, with biases.
    expect(expert.reduce((sum, { shape }) => sum + sizeOf(shape), 0)).toBe(29_056);
  });

  it('gives one vector for each modality, whatever else stands in the batch', () => {
    const { encoder, parameters } = made();
    const batch = batchOf(3);
    const all = valuesOf(encoder.encode(batch, { task: 'a' }));
    expect(all.map(({ length }) => length)).toEqual([24, 24]);
    const first = batch.map((input) => ({
      ...input,
      tokens: tf.slice(input.tokens, [0, 0, 0], [1, -1, -1]),
    }));
    const alone = valuesOf(encoder.encode(first, { task: 'a' }));
    alone.forEach((values, at) =>
      expect(relativeDifference(values, (all[at] ?? []).slice(0, 8))).toBeLessThan(1e-5),
    );
    tf.dispose([...batch, ...first].map(({ tokens }) => tokens));
    parameters.dispose();
  });

  it('takes a sample without a modality as one that has the others alone', () => {
    const { encoder, parameters } = made();
    const [image, sound] = batchOf(2) as [LatentInputs, LatentInputs];
    const padding = Uint8Array.of(0, 0, 0, 1, 1, 1, 1, 1);
    const [withImage = [], withSound = []] = valuesOf(encoder.encode([image, { ...sound, padding }]));
    const [alone = []] = valuesOf(encoder.encode([image]));
    expect(relativeDifference(withImage.slice(8), alone.slice(8))).toBeLessThan(1e-5);
    expect(relativeDifference(withImage.slice(0, 8), alone.slice(0, 8))).toBeGreaterThan(1e-3);
    expect(withSound.slice(8).every((value) => value === 0)).toBe(true);
    // A token of padding counts for nothing.
    const other = {
      ...sound,
      tokens: tf.add(sound.tokens, tf.tensor3d([0, 0, 0, 9, 0, 0, 0, 0], [2, 4, 1])) as tf.Tensor3D,
      padding,
    };
    const [, changed = []] = valuesOf(encoder.encode([image, other]));
    expect(changed.slice(0, 8)).toEqual(withSound.slice(0, 8));
    tf.dispose([image.tokens, sound.tokens, other.tokens]);
    parameters.dispose();
  });

  it('joins modalities in a sequence, or leaves each alone', () => {
    const batch = batchOf(2);
    const [together, apart] = [made(), made({ join: 'batch' })];
    const [image = []] = valuesOf(together.encoder.encode(batch));
    const [imageApart = []] = valuesOf(apart.encoder.encode(batch));
    const [alone = []] = valuesOf(together.encoder.encode(batch.slice(0, 1)));
    expect(imageApart).toEqual(alone);
    expect(relativeDifference(image, alone)).toBeGreaterThan(1e-3);
    const last = made({ pooling: 'last' });
    expect(relativeDifference(valuesOf(last.encoder.encode(batch))[0] ?? [], image)).toBeGreaterThan(1e-3);
    tf.dispose(batch.map(({ tokens }) => tokens));
    for (const { parameters } of [together, apart, last]) parameters.dispose();
  });

  it('teaches the router of one expert a token, where its gate is left as it is', () => {
    const gradientOf = (renormalize: boolean): number => {
      const groups = [attend, feed].map((group) => ({ ...group, renormalize }));
      const { encoder, parameters } = made({ moe: { groups } });
      const batch = batchOf(2);
      const { gradients, loss } = parameterGradients(parameters, () =>
        tf.sum(tf.concat([...encoder.encode(batch, { training: true, noise: false })], 1)),
      );
      const greatest = ['attention', 'ffn'].map((name) =>
        Math.max(...(gradients[`routers.${name}.gate.weight`]?.dataSync().map(Math.abs) ?? [0])),
      );
      tf.dispose([gradients, loss, batch.map(({ tokens }) => tokens)]);
      parameters.dispose();
      return Math.min(...greatest);
    };
    expect(gradientOf(false)).toBeGreaterThan(1e-3);
    // Divided by itself a gate is 1, whatever the router says.
    expect(gradientOf(true)).toBeLessThan(1e-6);
  });

  it('weighs the tokens of a modality in the gradients of linears alone, and leaks nothing', () => {
    const { encoder, parameters } = made();
    const batch = batchOf(2);
    const gradientsOf = (rowWeights?: BlocksOptions['rowWeights']) => {
      const { gradients, loss } = parameterGradients(parameters, () => {
        const [image] = encoder.encode(batch.slice(0, 1), {
          training: true,
          noise: false,
          ...(rowWeights ? { rowWeights } : {}),
        });
        return tf.sum(image as tf.Tensor2D);
      });
      const values = Object.fromEntries(
        Object.entries(gradients).map(([name, gradient]) => [name, Float32Array.from(gradient.dataSync())]),
      );
      tf.dispose([gradients, loss]);
      return values;
    };
    const plain = gradientsOf();
    const weighted = gradientsOf(({ modality }) => (modality === 'image' ? 0.5 : 3));
    for (const name of [
      'latent.cross.key.weight',
      'latent.self.0.qkv.weight',
      'blocks.1.attention.output.bias',
    ]) {
      const half = (plain[name] ?? new Float32Array()).map((value) => value / 2);
      expect(relativeDifference(weighted[name] ?? [], half), name).toBeLessThan(1e-5);
    }
    for (const name of ['latent.queries', 'latent.cross.norm1.weight', 'routers.attention.gate.weight']) {
      expect(relativeDifference(weighted[name] ?? [], plain[name] ?? []), name).toBeLessThan(1e-5);
    }
    expect(leakedTensors(() => gradientsOf(() => 0.5))).toEqual({ tensors: 0, buffers: 0 });
    tf.dispose(batch.map(({ tokens }) => tokens));
    parameters.dispose();
  });

  it('refuses what does not fit, by name', () => {
    const { encoder, parameters } = made();
    const [image, sound] = batchOf(1) as [LatentInputs, LatentInputs];
    const error = (input: LatentInputs, change: object): string => {
      try {
        encoder.encode([{ ...input, ...change }]);
      } catch (caught) {
        return (caught as Error).message;
      }
      return 'nothing';
    };
    expect(error(sound, { modality: 'smell' })).toBe(
      'encode: expected a modality of the encoder (image, sound), got smell',
    );
    expect(error(sound, { positions: gridPositions([2, 2]) })).toBe(
      'encode: expected positions on at most 1 axes of sound, got 2',
    );
    expect(error(sound, { tokens: image.tokens })).toBe(
      'encode: expected tokens of at most 2 values of sound, got 3',
    );
    expect(error(sound, { padding: new Uint8Array(3) })).toBe(
      'encode: expected 4 flags of padding of sound, got 3',
    );
    expect(() => encoder.encode([])).toThrow('encode: expected tokens of one modality or more, got none');
    expect(() => resolveLatentConfig({ ...base, heads: 3 })).toThrow(
      'encoder: expected heads to divide width (8), got 3',
    );
    expect(() =>
      resolveLatentConfig(
        withGroups([{ ...attend, linears: [['attention.query', 'attention.key']], wholeExperts: true }]),
      ),
    ).toThrow(
      'encoder: expected moe.groups.attention.linears to list for each router linears of which each reads the one before, such as ffn.fc1 and ffn.fc2, where experts are whole, got attention.query, attention.key',
    );
    tf.dispose([image.tokens, sound.tokens]);
    parameters.dispose();
  });
});
