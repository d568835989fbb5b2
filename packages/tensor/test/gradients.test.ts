/** Hand-written gradients of the fused operators, and those that tfjs lacks, against finite differences on cpu. */
import { createRandom } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
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
} from '../src/index.ts';
import { gradientError, randomTensor } from '../src/testing.ts';

type Case = readonly [title: string, shapes: number[][], f: (...inputs: tf.Tensor[]) => tf.Tensor];

/** Float32 differences with Richardson extrapolation resolve about this much. */
const tolerance = 2e-3;

const as = <T extends tf.Tensor>(tensor: tf.Tensor | undefined): T => tensor as T;

/** Weighs the elements of a result differently, so that errors do not cancel in its sum. */
const weighed = (value: tf.Tensor): tf.Tensor => {
  const weights = Float32Array.from({ length: value.size }, (_, i) => Math.sin(i + 1) + 0.3);
  return tf.sum(tf.mul(value, tf.tensor(weights, value.shape)));
};

const check = ([, shapes, f]: Case): void => {
  const random = createRandom(3);
  const inputs = shapes.map((shape) => randomTensor(random, shape));
  expect(gradientError((...given) => weighed(f(...given)), inputs)).toBeLessThan(tolerance);
};

// Rows 0 and 1 may see all tokens but the second; row 2 only the first.
const mask = () => tf.tensor4d([0, -1e4, 0, 0, -1e4, 0, 0, -1e4, -1e4], [1, 1, 3, 3]);
const experts = (given: tf.Tensor[]) =>
  [0, 1, 2].map((e) => ({ weight: as<tf.Tensor2D>(given[e]), bias: as<tf.Tensor1D>(given[3 + e]) }));

const fused: Case[] = [
  ['linear', [[2, 3, 4], [5, 4], [5]], (x, w, b) => linear(as(x), as(w), as(b))],
  [
    'linear without bias',
    [
      [3, 4],
      [2, 4],
    ],
    (x, w) => linear(as(x), as(w)),
  ],
  [
    'linear with gelu',
    [[2, 3, 4], [5, 4], [5]],
    (x, w, b) => linear(as(x), as(w), as(b), { activation: 'gelu' }),
  ],
  ['layerNorm', [[2, 3, 5], [5], [5]], (x, g, b) => layerNorm(as(x), as(g), as(b))],
  [
    'attentionPool of two heads, with padding',
    [[2, 3, 4], [4, 4], [4], [4, 4], [4, 4], [4], [4, 4], [4]],
    (x, ...[wq, bq, wk, wv, bv, wo, bo]) =>
      attentionPool(
        as(x),
        {
          queryWeight: as(wq),
          queryBias: as(bq),
          keyWeight: as(wk),
          valueWeight: as(wv),
          valueBias: as(bv),
          outputWeight: as(wo),
          outputBias: as(bo),
        },
        { heads: 2, visible: tf.tensor2d([1, 1, 1, 1, 0, 1], [2, 3]) },
      ),
  ],
  ['gelu', [[3, 5]], (x) => gelu(as(x))],
  ['l2Normalize', [[3, 5]], (x) => l2Normalize(as(x))],
  ['l2Normalize below epsilon', [[2, 3]], (x) => l2Normalize(as(x), { epsilon: 100 })],
  [
    'residual',
    [[2, 3, 4], [2, 3, 4], [4]],
    (x, y, g) => residual(as(x), as(y), { scale: as(g), keep: tf.tensor1d([0, 1.25]) }),
  ],
  [
    'residual alone',
    [
      [2, 4],
      [2, 4],
    ],
    (x, y) => residual(as(x), as(y)),
  ],
  [
    'softmaxCrossEntropy',
    [[4, 5]],
    (x) => softmaxCrossEntropy(as(x), tf.tensor1d([0, 4, 2, 2], 'int32'), { labelSmoothing: 0.1 }),
  ],
  [
    'embedding',
    [[4, 3]],
    (table) =>
      embedding(
        as(table),
        tf.tensor2d(
          [
            [0, 3],
            [3, 1],
          ],
          [2, 2],
          'int32',
        ),
      ),
  ],
  ['attention', [[2, 3, 12]], (qkv) => attention(as(qkv), { heads: 2, mask: mask() })],
  [
    'attention with shared prompts',
    [
      [2, 3, 12],
      [2, 4],
      [2, 4],
    ],
    (qkv, keys, values) =>
      attention(as(qkv), { heads: 2, mask: mask(), promptKeys: as(keys), promptValues: as(values) }),
  ],
  [
    'attention with own prompts',
    [
      [2, 3, 12],
      [2, 1, 4],
      [2, 1, 4],
    ],
    (qkv, keys, values) => attention(as(qkv), { heads: 1, promptKeys: as(keys), promptValues: as(values) }),
  ],
  [
    'crossAttention of two parts',
    [
      [2, 2, 3, 2],
      [2, 2, 1, 2],
      [2, 2, 1, 2],
      [2, 2, 3, 2],
      [2, 2, 3, 2],
    ],
    (queries, k0, v0, k1, v1) =>
      crossAttention(as(queries), [
        { keys: as(k0), values: as(v0) },
        { keys: as(k1), values: as(v1), mask: mask() },
      ]),
  ],
  [
    'conditionalLinear',
    [[2, 4, 3], [2, 3], [4, 3], [4, 3], [4, 3], [4], [4], [4]],
    (x, gates, ...rest) =>
      conditionalLinear(as(x), {
        gates: as(gates),
        experts: experts(rest),
        chosen: [
          [0, 2],
          [2, 1],
        ],
        segments: [
          { row: 0, start: 0, length: 1 },
          { row: 1, start: 1, length: 2 },
          { row: 1, start: 3, length: 0 },
          { row: 0, start: 3, length: 1 },
        ],
      }),
  ],
  [
    'segmentLinear',
    [[2, 3, 4], [2, 4], [2], [2, 4], [2]],
    (x, w0, b0, w1, b1) =>
      segmentLinear(
        as(x),
        [
          { weight: as(w0), bias: as(b0) },
          { weight: as(w1), bias: as(b1) },
        ],
        [
          { row: 1, start: 0, length: 1 },
          { row: 0, start: 1, length: 2 },
        ],
      ),
  ],
];

const missing: Case[] = [
  ['TopK', [[2, 3, 6]], (x) => tf.topk(as(x), 2).values],
  ['TopK of one class', [[3, 1]], (x) => tf.topk(as(x), 1).values],
  [
    'GatherNd with a repeated index',
    [[2, 3, 4]],
    (x) =>
      tf.gatherND(
        as(x),
        tf.tensor2d(
          [
            [1, 2],
            [0, 1],
            [1, 2],
          ],
          [3, 2],
          'int32',
        ),
      ),
  ],
  [
    'ScatterNd',
    [[2, 3]],
    (updates) => tf.scatterND(tf.tensor2d([[3], [1]], [2, 1], 'int32'), as(updates), [4, 3]),
  ],
  [
    'TensorScatterUpdate',
    [
      [4, 3],
      [2, 3],
    ],
    (x, updates) => tf.tensorScatterUpdate(as(x), tf.tensor2d([[3], [1]], [2, 1], 'int32'), as(updates)),
  ],
  [
    'Einsum, batched product',
    [
      [2, 3, 4],
      [2, 4, 5],
    ],
    (a, b) => tf.einsum('bij,bjk->bik', as(a), as(b)),
  ],
  [
    'Einsum, transposed output',
    [
      [3, 4],
      [4, 5],
    ],
    (a, b) => tf.einsum('ij,jk->ki', as(a), as(b)),
  ],
  [
    'Einsum, inner product',
    [
      [3, 4],
      [3, 4],
    ],
    (a, b) => tf.einsum('ij,ij->', as(a), as(b)),
  ],
  ['Einsum, outer product', [[3], [4]], (a, b) => tf.einsum('i,j->ij', as(a), as(b))],
  ['Einsum, one operand transposed', [[3, 4]], (a) => tf.einsum('ij->ji', as(a))],
  ['Einsum, one operand summed', [[3, 4]], (a) => tf.einsum('ij->j', as(a))],
  ['StridedSlice backwards', [[2, 3, 6]], (x) => tf.stridedSlice(as(x), [0, 2, 5], [2, 0, 0], [1, -1, -2])],
  ['StridedSlice with masks', [[3, 4]], (x) => tf.stridedSlice(as(x), [1, 1], [2, 0], [1, 1], 0, 2, 0, 0, 1)],
  ['Cumsum along the first axis', [[2, 3, 4]], (x) => tf.cumsum(as(x), 0)],
  ['Cumsum exclusive and reverse', [[2, 3, 4]], (x) => tf.cumsum(as(x), 1, true, true)],
  ['Cumprod along the last axis', [[2, 3, 4]], (x) => tf.cumprod(as(x), 2)],
  ['Cumprod along the middle axis, exclusive', [[2, 3, 4]], (x) => tf.cumprod(as(x), 1, true)],
  ['Cumprod along the first axis, reverse', [[3, 2]], (x) => tf.cumprod(as(x), 0, false, true)],
];

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

describe('fused operators', () => {
  it.each(fused)('%s', (...given) => check(given));
});

describe('gradients that tfjs lacks', () => {
  it.each(missing)('%s', (...given) => check(given));

  it('Cumprod is right where the input has a zero', () => {
    // y = [2, 0, 0]; dy = 1: d/dx0 = 1 + x1 + x1 x2 = 1, d/dx1 = x0 + x0 x2 = 2 + 6 = 8, d/dx2 = x0 x1 = 0.
    const gradient = tf.grad((x) => tf.sum(tf.cumprod(x as tf.Tensor1D)))(tf.tensor1d([2, 0, 3]));
    expect([...gradient.dataSync()]).toEqual([1, 8, 0]);
  });

  it('a gradient of Einsum repeats the labels that only one operand has', () => {
    // y_i = sum_j a_ij b_i: dy/da_ij = b_i for every j.
    const [da] = tf.grads((a: tf.Tensor, b: tf.Tensor) => tf.sum(tf.einsum('ij,i->i', a, b)))([
      tf.ones([2, 3]),
      tf.tensor1d([5, 7]),
    ]);
    expect([...(da as tf.Tensor).dataSync()]).toEqual([5, 5, 5, 7, 7, 7]);
  });
});
