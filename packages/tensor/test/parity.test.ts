/**
 * Every fused operator on every engine of this machine against the portable composition on the cpu engine: the value
 * and all gradients, over drawn shapes with masks, prompts, empty segments and one-token rows.
 */
import { createRandom, type Random } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  attention,
  attentionPool,
  conditionalLinear,
  crossAttention,
  embedding,
  gelu,
  l2Normalize,
  layerNorm,
  linear,
  residual,
  segmentLinear,
  selectEngine,
  softmaxCrossEntropy,
  type AttentionPoolWeights,
  type SegmentSpan,
} from '../src/index.ts';
import { randomIds, randomTensor, maximumDifference, testEngines } from '../src/testing.ts';

/** Host values of a tensor, to be rebuilt on another engine. */
interface Host {
  readonly values: Float32Array | Int32Array;
  readonly shape: number[];
  readonly dtype: 'float32' | 'int32';
}

/** A drawn call: inputs that receive gradients, constants, and the operator on both. */
interface Call {
  readonly inputs: Host[];
  readonly constants: Host[];
  readonly run: (inputs: tf.Tensor[], constants: tf.Tensor[]) => tf.Tensor;
}

const host = (tensor: tf.Tensor): Host => {
  const values = tensor.dataSync() as Float32Array | Int32Array;
  const described: Host = {
    values: values.slice(),
    shape: tensor.shape,
    dtype: tensor.dtype as Host['dtype'],
  };
  tensor.dispose();
  return described;
};

const normal = (random: Random, shape: number[], scale = 1): Host => host(randomTensor(random, shape, scale));

const rebuild = ({ values, shape, dtype }: Host): tf.Tensor => tf.tensor(values.slice(), shape, dtype);

/** Value and gradients of sum(run * weights) for fixed weights. */
const evaluate = (call: Call): Float32Array[] =>
  tf.tidy(() => {
    const constants = call.constants.map(rebuild);
    const inputs = call.inputs.map(rebuild);
    const value = call.run(inputs, constants);
    const weights = randomTensor(createRandom(7), value.shape);
    const gradients = tf.grads((...given: tf.Tensor[]) => call.run(given, constants))(inputs, weights);
    return [value, ...gradients].map((tensor) => Float32Array.from(tensor.dataSync()));
  });

const size = fc.integer({ min: 1, max: 5 });

const spansOf = (lengths: readonly number[], rowCount: number): SegmentSpan[] => {
  let start = 0;
  return lengths.map((length, at) => {
    const span = { row: at % rowCount, start, length };
    start += length;
    return span;
  });
};

const mixture = (random: Random, [experts, outputs, inputs]: readonly [number, number, number]): Host[] => [
  ...Array.from({ length: experts }, () => normal(random, [outputs, inputs])),
  ...Array.from({ length: experts }, () => normal(random, [outputs])),
];

/** Weights of attentionPool in its order; of the scale that keeps projections of unit size. */
const poolWeights = (random: Random, width: number): Host[] =>
  [true, false, true, true, false, true, false].map((matrix) =>
    normal(random, matrix ? [width, width] : [width], matrix ? 1 / Math.sqrt(width) : 1),
  );

const poolOf = (tensors: readonly tf.Tensor[]): AttentionPoolWeights => {
  const [queryWeight, queryBias, keyWeight, valueWeight, valueBias, outputWeight, outputBias] =
    tensors as readonly [
      tf.Tensor2D,
      tf.Tensor1D,
      tf.Tensor2D,
      tf.Tensor2D,
      tf.Tensor1D,
      tf.Tensor2D,
      tf.Tensor1D,
    ];
  return { queryWeight, queryBias, keyWeight, valueWeight, valueBias, outputWeight, outputBias };
};

const calls: Record<string, fc.Arbitrary<Call>> = {
  linear: fc
    .record({
      seed: fc.nat(),
      b: size,
      l: size,
      i: fc.integer({ min: 1, max: 40 }),
      o: size,
      bias: fc.boolean(),
      act: fc.boolean(),
    })
    .map(({ seed, b, l, i, o, bias, act }) => {
      const random = createRandom(seed);
      return {
        inputs: [normal(random, [b, l, i]), normal(random, [o, i]), ...(bias ? [normal(random, [o])] : [])],
        constants: [],
        run: ([x, w, c]) =>
          linear(x as tf.Tensor, w as tf.Tensor2D, c as tf.Tensor1D | undefined, {
            activation: act ? 'gelu' : 'none',
          }),
      };
    }),
  layerNorm: fc
    .record({ seed: fc.nat(), n: size, d: fc.integer({ min: 2, max: 70 }) })
    .map(({ seed, n, d }) => {
      const random = createRandom(seed);
      return {
        inputs: [normal(random, [n, 2, d]), normal(random, [d]), normal(random, [d])],
        constants: [],
        run: ([x, g, b]) => layerNorm(x as tf.Tensor, g as tf.Tensor1D, b as tf.Tensor1D),
      };
    }),
  gelu: fc.record({ seed: fc.nat(), n: fc.integer({ min: 1, max: 90 }) }).map(({ seed, n }) => ({
    inputs: [normal(createRandom(seed), [n], 3)],
    constants: [],
    run: ([x]) => gelu(x as tf.Tensor),
  })),
  l2Normalize: fc
    .record({ seed: fc.nat(), n: size, d: fc.integer({ min: 2, max: 20 }) })
    .map(({ seed, n, d }) => ({
      inputs: [normal(createRandom(seed), [n, d])],
      constants: [],
      run: ([x]) => l2Normalize(x as tf.Tensor),
    })),
  residual: fc
    .record({ seed: fc.nat(), b: size, l: size, d: size, scale: fc.boolean(), keep: fc.boolean() })
    .map(({ seed, b, l, d, scale, keep }) => {
      const random = createRandom(seed);
      return {
        inputs: [
          normal(random, [b, l, d]),
          normal(random, [b, l, d]),
          ...(scale ? [normal(random, [d])] : []),
        ],
        constants: keep
          ? [host(tf.tensor1d(Array.from({ length: b }, () => (random.next() < 0.5 ? 0 : 1.25))))]
          : [],
        run: ([x, y, s], [k]) =>
          residual(x as tf.Tensor, y as tf.Tensor, {
            ...(s ? { scale: s as tf.Tensor1D } : {}),
            ...(k ? { keep: k as tf.Tensor1D } : {}),
          }),
      };
    }),
  softmaxCrossEntropy: fc
    .record({ seed: fc.nat(), n: size, c: fc.integer({ min: 2, max: 30 }), smooth: fc.boolean() })
    .map(({ seed, n, c, smooth }) => {
      const random = createRandom(seed);
      return {
        inputs: [normal(random, [n, c], 3)],
        constants: [host(randomIds(random, [n], c))],
        run: ([x], [labels]) =>
          softmaxCrossEntropy(x as tf.Tensor2D, labels as tf.Tensor1D, { labelSmoothing: smooth ? 0.1 : 0 }),
      };
    }),
  embedding: fc.record({ seed: fc.nat(), b: size, l: size, v: size, d: size }).map(({ seed, b, l, v, d }) => {
    const random = createRandom(seed);
    return {
      inputs: [normal(random, [v, d])],
      constants: [host(randomIds(random, [b, l], v))],
      run: ([table], [ids]) => embedding(table as tf.Tensor2D, ids as tf.Tensor),
    };
  }),
  attention: fc
    .record({
      seed: fc.nat(),
      b: fc.integer({ min: 1, max: 3 }),
      l: fc.integer({ min: 1, max: 7 }),
      heads: fc.integer({ min: 1, max: 3 }),
      d: fc.integer({ min: 1, max: 9 }),
      mask: fc.constantFrom('none', 'full', 'shared', 'keys'),
      prompts: fc.constantFrom('none', 'shared', 'own'),
    })
    .map(({ seed, b, l, heads, d, mask, prompts }) => {
      const random = createRandom(seed);
      const width = heads * d;
      const maskShape = mask === 'full' ? [b, 1, l, l] : mask === 'shared' ? [1, 1, l, l] : [b, 1, 1, l];
      const count = maskShape.reduce((product, n) => product * n, 1);
      const forbidden = Float32Array.from({ length: count }, () => (random.next() < 0.3 ? -1e4 : 0));
      const promptShape = prompts === 'own' ? [b, 2, width] : [2, width];
      return {
        inputs: [
          normal(random, [b, l, 3 * width]),
          ...(prompts === 'none' ? [] : [normal(random, promptShape), normal(random, promptShape)]),
        ],
        constants:
          mask === 'none' ? [] : [{ values: forbidden, shape: maskShape, dtype: 'float32' as const }],
        run: ([qkv, keys, values], [added]) =>
          attention(qkv as tf.Tensor3D, {
            heads,
            ...(added ? { mask: added as tf.Tensor4D } : {}),
            ...(keys && values ? { promptKeys: keys, promptValues: values } : {}),
          }),
      };
    }),
  crossAttention: fc
    .record({
      seed: fc.nat(),
      b: size,
      h: fc.constantFrom(1, 3),
      l: size,
      k: size,
      parts: fc.constantFrom(1, 2),
    })
    .map(({ seed, b, h, l, k, parts }) => {
      const random = createRandom(seed);
      const keys = Array.from({ length: 2 * parts }, (_, i) => normal(random, [b, h, i < 2 ? k : l, 4]));
      const mask = host(
        tf.tensor4d(
          Float32Array.from({ length: l * k }, () => (random.next() < 0.3 ? -2 : 0)),
          [1, 1, l, k],
        ),
      );
      return {
        inputs: [normal(random, [b, h, l, 4]), ...keys],
        constants: [mask],
        run: ([queries, k0, v0, k1, v1], [queryMask]) =>
          crossAttention(queries as tf.Tensor4D, [
            { keys: k0 as tf.Tensor4D, values: v0 as tf.Tensor4D, mask: queryMask as tf.Tensor4D },
            ...(k1 && v1 ? [{ keys: k1 as tf.Tensor4D, values: v1 as tf.Tensor4D }] : []),
          ]),
      };
    }),
  attentionPool: fc
    .record({
      seed: fc.nat(),
      b: fc.integer({ min: 1, max: 5 }),
      t: fc.integer({ min: 1, max: 7 }),
      heads: fc.integer({ min: 1, max: 5 }),
      d: fc.integer({ min: 1, max: 9 }),
      mask: fc.boolean(),
    })
    .map(({ seed, b, t, heads, d, mask }) => {
      const random = createRandom(seed);
      const width = heads * d;
      // Not every sample has a visible token.
      const seen = Float32Array.from({ length: b * t }, () => (random.next() < 0.4 ? 0 : 1));
      return {
        inputs: [normal(random, [b, t, width]), ...poolWeights(random, width)],
        constants: mask ? [{ values: seen, shape: [b, t], dtype: 'float32' as const }] : [],
        run: ([x, ...weights], [visible]) =>
          attentionPool(x as tf.Tensor3D, poolOf(weights), {
            heads,
            visible: visible as tf.Tensor2D | undefined,
          }),
      };
    }),
  conditionalLinear: fc
    .record({
      seed: fc.nat(),
      b: fc.integer({ min: 1, max: 3 }),
      lengths: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 }),
      experts: fc.integer({ min: 1, max: 4 }),
      k: fc.integer({ min: 1, max: 2 }),
      i: fc.integer({ min: 1, max: 20 }),
      o: size,
    })
    .filter(({ lengths, experts, k }) => lengths.some((length) => length > 0) && k <= experts)
    .map(({ seed, b, lengths, experts, k, i, o }) => {
      const random = createRandom(seed);
      const rows = Math.min(2, lengths.length);
      const segments = spansOf(lengths, rows);
      const length = lengths.reduce((sum, tokens) => sum + tokens, 0);
      const chosen = Array.from({ length: rows }, (_, row) =>
        Array.from({ length: k }, (_, at) => (row + at) % experts),
      );
      return {
        inputs: [
          normal(random, [b, length, i]),
          normal(random, [rows, experts]),
          ...mixture(random, [experts, o, i]),
        ],
        constants: [],
        run: ([x, gates, ...rest]) =>
          conditionalLinear(x as tf.Tensor3D, {
            gates: gates as tf.Tensor2D,
            experts: Array.from({ length: experts }, (_, e) => ({
              weight: rest[e] as tf.Tensor2D,
              bias: rest[experts + e] as tf.Tensor1D,
            })),
            chosen,
            segments,
          }),
      };
    }),
  segmentLinear: fc
    .record({
      seed: fc.nat(),
      lengths: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 2, maxLength: 3 }),
    })
    .filter(({ lengths }) => lengths.every((length) => length > 0) || lengths.some((length) => length > 0))
    .map(({ seed, lengths }) => {
      const random = createRandom(seed);
      const length = lengths.reduce((sum, tokens) => sum + tokens, 0);
      const segments = spansOf(lengths, 1);
      return {
        inputs: [normal(random, [2, length, 6]), normal(random, [4, 6]), normal(random, [4])],
        constants: [],
        run: ([x, w, b]) =>
          segmentLinear(x as tf.Tensor3D, [{ weight: w as tf.Tensor2D, bias: b as tf.Tensor1D }], segments),
      };
    }),
};

/** Gradients of unused experts are zero on every engine; tf.grads refuses inputs that the value does not use. */
const usesAll = (name: string, call: Call): Call =>
  name !== 'conditionalLinear'
    ? call
    : {
        ...call,
        run: (inputs, constants) =>
          inputs.reduce((sum, input) => tf.add(sum, tf.mul(tf.sum(input), 0)), call.run(inputs, constants)),
      };

const engines = (await testEngines()).filter(({ name }) => name !== 'cpu');
const references = new Map<string, { call: Call; expected: Float32Array[] }[]>();

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
  for (const [name, arbitrary] of Object.entries(calls)) {
    const drawn = fc.sample(arbitrary, { numRuns: 25, seed: 11 }).map((call) => usesAll(name, call));
    references.set(
      name,
      drawn.map((call) => ({ call, expected: evaluate(call) })),
    );
  }
});

describe.each(engines)('$title', (engine) => {
  beforeAll(engine.use);

  it.each(Object.keys(calls))('%s agrees with the composition on cpu, forward and gradients', (name) => {
    for (const { call, expected } of references.get(name) ?? []) {
      const got = evaluate(call);
      expect(got.length).toBe(expected.length);
      got.forEach((values, at) => {
        const wanted = expected[at] as Float32Array;
        // Inputs are of unit size: a sum that cancels keeps the rounding of its terms.
        const scale = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
        const difference = maximumDifference(values, wanted) / scale;
        expect(
          difference,
          `${at === 0 ? 'value' : `gradient ${at - 1}`} of shapes ${JSON.stringify(call.inputs.map((input) => input.shape))}`,
        ).toBeLessThan(engine.tolerance);
      });
    }
  });
});
