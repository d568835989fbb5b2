/** What an adapter changes of a forward, on every kind of encoder. */
import { createRandom, rowRandoms } from '@polygate/core';
import { exportMerged, type AdapterForward, type EncoderAdapter, type ExpertConfig } from '@polygate/encoder';
import { joinSegments, textSegment, type SequenceBatch } from '@polygate/modalities';
import { allocateParameters, parameterGradients, type ParameterSet } from '@polygate/nn';
import { maximumDifference, relativeDifference, testEngines } from '@polygate/tensor/testing';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { plainEncoder } from './plain-encoder.ts';
import { captionBatch, drawnModel, inputOf, keys, rows, textBatch, tiny } from './tiny-models.ts';

const engines = await testEngines();
const experts: ExpertConfig = { experts: 4, noise: 0 };

/** Id of the prefix token of the tiny vocabulary, two before its end. */
const PREFIX = 9;

const forward = (changes: AdapterForward): EncoderAdapter => ({ begin: () => changes });

const valuesOf = (tensor: tf.Tensor): Float32Array => {
  const values = Float32Array.from(tensor.dataSync());
  tensor.dispose();
  return values;
};

/** A text with the prefix token at its second place, in the first sample alone. */
const blanked = (): SequenceBatch => ({
  ...joinSegments(2, [
    { segment: textSegment({ ids: Int32Array.of(3, PREFIX, 5, 1, 2, 4), length: 3 }, rows.text) },
  ]),
  task: 'a',
});

describe.each(engines)('an adapter on $title', (engine) => {
  beforeAll(() => engine.use());
  const tolerance = engine.precision === 'bf16' ? 0.06 : 1e-4;

  it('adds its bias to every prefix token, also to those within a text, and to no other', () => {
    const model = drawnModel({ ...tiny, moe: experts }, 3);
    const bias = tf.tensor1d([0.5, -0.25, 1, 0, 0.75, -1, 0.125, 2]);
    const input = blanked();
    const got = valuesOf(model.encode(input, { adapter: forward({ prefixBias: bias }) }));
    // The plain way: the bias in the table's row of the token.
    const twin = drawnModel({ ...tiny, moe: experts }, 3);
    const table = twin.parameters.get('embedding.word').dataSync();
    twin.parameters.write(
      'embedding.word',
      Float32Array.from(table, (value, i) =>
        Math.floor(i / 8) === PREFIX ? value + (bias.dataSync()[i % 8] ?? 0) : value,
      ),
    );
    expect(maximumDifference(got, valuesOf(twin.encode(input)))).toBeLessThan(tolerance);
    expect(maximumDifference(got, valuesOf(model.encode(input)))).toBeGreaterThan(0.01);
    bias.dispose();
    model.dispose();
    twin.dispose();
  });

  it('has values of its own of norms, in blocks, embedding and head, and leaves the encoder’s', () => {
    const names = [
      'blocks.0.norm1.weight',
      'blocks.2.norm2.bias',
      'embedding.norm.weight',
      'head.norm.weight',
    ];
    const model = drawnModel({ ...tiny, moe: experts }, 4);
    const before = valuesOf(model.encode(inputOf(textBatch(2, 3, 5))));
    const twin = drawnModel({ ...tiny, moe: experts }, 4);
    const replaced = new Map(
      names.map((name, i) => {
        const values = Float32Array.from({ length: 8 }, (_, d) => 1 + 0.1 * d - 0.3 * i);
        twin.parameters.write(name, values);
        return [name, tf.variable(tf.tensor1d(values))] as const;
      }),
    );
    const adapter: EncoderAdapter = { replaced: (name) => replaced.get(name), begin: () => ({}) };
    const input = inputOf(textBatch(2, 3, 5));
    const pooled = (of: typeof model, options: { readonly adapter?: EncoderAdapter }) =>
      valuesOf(
        tf.tidy(() => of.project(tf.reshape(of.encode(input, options), [8, 8]) as tf.Tensor2D, options)),
      );
    expect(maximumDifference(pooled(model, { adapter }), pooled(twin, {}))).toBeLessThan(tolerance);
    expect(valuesOf(model.encode(input))).toEqual(before);
    for (const variable of replaced.values()) variable.dispose();
    model.dispose();
    twin.dispose();
  });

  it('adds a product to dense linears as if it were in their weights, before the activation', () => {
    const model = drawnModel(tiny, 6);
    const twin = drawnModel(tiny, 6);
    const random = createRandom(7);
    const added = new Map<string, tf.Tensor2D>();
    for (const [linear, out, input] of [
      ['attention.qkv', 24, 8],
      ['ffn.fc1', 12, 8],
      ['ffn.fc2', 8, 12],
    ] as const) {
      const delta = Float32Array.from({ length: out * input }, () => 0.3 * random.normal());
      const name = `blocks.1.${linear}.weight`;
      const weight = twin.parameters.get(name).dataSync();
      twin.parameters.write(
        name,
        Float32Array.from(weight, (value, i) => value + (delta[i] ?? 0)),
      );
      added.set(linear, tf.tensor2d(delta, [out, input]));
    }
    const adapter = forward({
      linear: (x, { block, linear }) => {
        const delta = block === 1 ? added.get(linear) : undefined;
        const [batch, length, width] = x.shape;
        return (
          delta &&
          (tf.reshape(tf.matMul(tf.reshape(x, [batch * length, width]), delta, false, true), [
            batch,
            length,
            -1,
          ]) as tf.Tensor3D)
        );
      },
    });
    const input = inputOf(captionBatch(2, 8));
    const got = valuesOf(tf.tidy(() => model.encode(input, { adapter })));
    expect(relativeDifference(got, valuesOf(twin.encode(input)))).toBeLessThan(tolerance);
    tf.dispose([...added.values()]);
    model.dispose();
    twin.dispose();
  });

  it('gives the same on experts, on cached merged weights and on an exported encoder', () => {
    const model = drawnModel({ ...tiny, moe: experts }, 9);
    const exported = exportMerged(model, [keys.captionImage, keys.captionText]);
    const random = createRandom(10);
    const draw = (...shape: number[]): tf.Tensor =>
      tf.tensor(
        Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => 0.5 * random.normal()),
        shape,
      );
    const [prompts, bias, delta] = [draw(2, 8), draw(8), draw(8, 8)];
    const adapter = forward({
      prompts: () => prompts as tf.Tensor2D,
      prefixBias: bias as tf.Tensor1D,
      embedded: (x) => tf.mul(x, 1.5) as tf.Tensor3D,
      linear: (x, { linear }) =>
        linear === 'attention.output'
          ? (tf.reshape(tf.matMul(tf.reshape(x, [-1, 8]), delta as tf.Tensor2D), x.shape) as tf.Tensor3D)
          : undefined,
    });
    const input = inputOf(captionBatch(2, 11));
    const live = valuesOf(tf.tidy(() => model.encode(input, { adapter, merged: false })));
    for (const other of [
      () => model.encode(input, { adapter }),
      () => exported.encode(input, { adapter }),
      () => model.encode(input, { adapter, training: true, noise: false, random: createRandom(1) }),
    ]) {
      expect(relativeDifference(valuesOf(tf.tidy(other)), live)).toBeLessThan(tolerance);
    }
    expect(model.mergedRows).toBeGreaterThan(0);
    tf.dispose([prompts, bias, delta]);
    exported.dispose();
    model.dispose();
  });

  it('has prompts by side', () => {
    const model = drawnModel({ ...tiny, layers: 1 }, 12);
    const prompts = { inputs: [[1, 2, 3, 4, 5, 6, 7, 8]], targets: [[8, 7, 6, 5, 4, 3, 2, 1]] };
    const adapter: EncoderAdapter = {
      begin: ({ side }) => ({ prompts: () => tf.tensor2d(prompts[side]) }),
    };
    const batch = textBatch(1, 3, 13);
    const plain = plainEncoder(model);
    for (const side of ['inputs', 'targets'] as const) {
      const expected = batch.flatMap((sample) => plain(sample, { prompts: [prompts[side]] }).flat());
      const got = valuesOf(tf.tidy(() => model.encode(inputOf(batch), { adapter, side })));
      expect(relativeDifference(got, expected)).toBeLessThan(tolerance);
    }
    model.dispose();
  });
});

describe('an adapter in training', () => {
  beforeAll(async () => void (await tf.setBackend('cpu')));

  it('draws by sample from a stream of its own, and leaves the other draws as they are', () => {
    const model = drawnModel({ ...tiny, dropPath: 0.5, moe: { experts: 4 } }, 14);
    const input = inputOf(textBatch(3, 3, 15));
    const drawn: number[] = [];
    const adapter: EncoderAdapter = {
      begin: ({ random, batch }) => {
        if (random) drawn.push(...rowRandoms(random, batch.size, 'dropout').map((stream) => stream.next()));
        return {};
      },
    };
    const options = () => ({ training: true, random: createRandom(16) });
    const without = valuesOf(model.encode(input, options()));
    expect(valuesOf(model.encode(input, { ...options(), adapter }))).toEqual(without);
    expect(new Set(drawn).size).toBe(3);
    model.encode(input, { adapter }).dispose();
    expect(drawn).toHaveLength(3);
    model.dispose();
  });

  it('has a drop path of its own where it is told one', () => {
    const model = drawnModel({ ...tiny, dropPath: 0 }, 17);
    const input = inputOf(textBatch(4, 3, 18));
    const options = { training: true, random: createRandom(19) };
    const kept = valuesOf(model.encode(input));
    expect(valuesOf(model.encode(input, { ...options, dropPath: 0 }))).toEqual(kept);
    expect(valuesOf(model.encode(input, { ...options, dropPath: 0.9 }))).not.toEqual(kept);
    model.dispose();
  });

  const parts = (): ParameterSet =>
    allocateParameters(
      [
        ...[0, 1, 2].map((block) => ({
          name: `prompts.${block}`,
          shape: [2, 8],
          initializer: { kind: 'normal', std: 1 } as const,
          role: 'embedding' as const,
        })),
        { name: 'bias', shape: [8], initializer: { kind: 'normal', std: 0.5 }, role: 'bias' },
        { name: 'norm', shape: [8], initializer: { kind: 'normal', std: 1 }, role: 'norm' },
      ],
      createRandom(20),
    );

  it.each([
    ['dense', undefined, true],
    ['experts with noise', { experts: 4 }, true],
    ['experts that are merged once', { experts: 4 }, false],
  ])('gives gradients that agree with central differences: %s', (_, moe, noise) => {
    const model = drawnModel({ ...tiny, ...(moe ? { moe } : {}) }, 21);
    const input = inputOf(captionBatch(2, 22));
    const adapterParts = parts();
    const adapter: EncoderAdapter = {
      replaced: (name) => (name === 'blocks.1.norm2.weight' ? adapterParts.get('norm') : undefined),
      begin: () => ({
        prompts: (block) => adapterParts.get(`prompts.${block}`) as tf.Variable<tf.Rank.R2>,
        prefixBias: adapterParts.get('bias') as tf.Variable<tf.Rank.R1>,
      }),
    };
    const loss = (): tf.Scalar =>
      tf.tidy(() => {
        const hidden = model.encode(input, { training: true, random: createRandom(23), adapter, noise });
        return tf.mean(tf.square(tf.add(hidden, 0.1))) as tf.Scalar;
      });
    const before = model.parameters.entries().map(({ variable }) => Float32Array.from(variable.dataSync()));
    const { loss: value, gradients } = parameterGradients(adapterParts, loss);
    value.dispose();
    expect(Object.keys(gradients)).toEqual(adapterParts.specs.map(({ name }) => name));
    for (const { name } of adapterParts.specs) {
      const start = Float32Array.from(adapterParts.get(name).dataSync());
      const got = gradients[name]?.dataSync() ?? [];
      for (const at of [0, start.length - 1]) {
        const [up = NaN, down = NaN] = [1e-2, -1e-2].map((change) => {
          adapterParts.write(
            name,
            start.map((each, i) => (i === at ? each + change : each)),
          );
          return valuesOf(loss())[0];
        });
        adapterParts.write(name, start);
        expect((up - down) / 2e-2).toBeCloseTo(got[at] ?? NaN, 3);
      }
    }
    const after = model.parameters.entries().map(({ variable }) => Float32Array.from(variable.dataSync()));
    expect(after).toEqual(before);
    tf.dispose(gradients);
    adapterParts.dispose();
    model.dispose();
  });
});
