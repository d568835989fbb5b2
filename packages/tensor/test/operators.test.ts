/** Hand-computed values of the fused operators, their error texts, and that they leave no tensors behind. */
import { ConfigError, createRandom, ShapeError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  adamWStep,
  attention,
  attentionPool,
  conditionalLinear,
  crossAttention,
  embedding,
  gelu,
  globalNorm,
  l2Normalize,
  layerNorm,
  linear,
  mergeExperts,
  residual,
  segmentLinear,
  selectEngine,
  softmaxCrossEntropy,
  toHeads,
} from '../src/index.ts';
import { leakedTensors, randomTensor, testEngines } from '../src/testing.ts';

const engines = await testEngines();

describe.each(engines)('$title', (engine) => {
  beforeAll(engine.use);

  const close = (tensor: tf.Tensor, expected: readonly number[]): void => {
    const got = [...tensor.dataSync()];
    tensor.dispose();
    expect(got.length).toBe(expected.length);
    expected.forEach((value, at) => {
      expect(Math.abs((got[at] ?? Number.NaN) - value), `${at}: ${got[at]} for ${value}`).toBeLessThan(
        engine.tolerance * Math.max(1, Math.abs(value)),
      );
    });
  };

  it('attentionPool: the query is the mean of what is visible, and its softmax weighs the same tokens', () => {
    const [one, none] = [tf.eye(2), tf.tensor1d([0, 0])];
    const weights = {
      queryWeight: tf.mul(one, Math.SQRT2 * Math.log(3)) as tf.Tensor2D,
      queryBias: none,
      keyWeight: one,
      valueWeight: tf.mul(one, 2) as tf.Tensor2D,
      valueBias: tf.tensor1d([1, 0]),
      outputWeight: tf.tensor2d([
        [0, 1],
        [1, 0],
      ]),
      outputBias: tf.tensor1d([10, 20]),
    };
    const x = tf.tensor3d([2, 0, 0, 0, 9, 9], [1, 3, 2]);
    const visible = tf.tensor2d([[1, 1, 0]]);
    // Mean [1 0]; scores log 3 * <[1 0], x_t> = [2 log 3, 0]: weights [.9 .1], sum [1.8 0].
    // Values [2 * 1.8 + 1, 0]; the output swaps them and adds [10 20].
    close(attentionPool(x, weights, { visible }), [10, 24.6]);
    // Nobody to be seen: the values are their bias.
    close(attentionPool(x, weights, { visible: tf.zeros([1, 3]) }), [10, 21]);
  });

  it('linear: [1 2] [[3 4] [5 6]]^T + [10 20] = [1*3+2*4+10, 1*5+2*6+20]', () => {
    close(
      linear(
        tf.tensor2d([[1, 2]]),
        tf.tensor2d([
          [3, 4],
          [5, 6],
        ]),
        tf.tensor1d([10, 20]),
      ),
      [21, 37],
    );
  });

  it('gelu: 0, x Phi(x) at 1 and -1 (Phi(1) = 0.8413447), and the identity far right', () => {
    close(gelu(tf.tensor1d([0, 1, -1, 10, -10])), [0, 0.8413447, -0.1586553, 10, 0]);
  });

  it('layerNorm: [1 2 3] has mean 2 and variance 2/3, so (x - 2) / sqrt(2/3)', () => {
    // 1 / sqrt(2/3) = 1.2247449; with gamma [1 1 2], beta [0 0 1]: [-1.2247449, 0, 3.4494897].
    const y = layerNorm(tf.tensor2d([[1, 2, 3]]), tf.tensor1d([1, 1, 2]), tf.tensor1d([0, 0, 1]), {
      epsilon: 0,
    });
    close(y, [-1.2247449, 0, 3.4494897]);
  });

  it('layerNorm keeps its accuracy far from zero: 1000 + [1 2 3] gives the same', () => {
    const y = layerNorm(tf.tensor2d([[1001, 1002, 1003]]), tf.tensor1d([1, 1, 1]), tf.zeros([3]), {
      epsilon: 0,
    });
    close(y, [-1.2247449, 0, 1.2247449]);
  });

  it('l2Normalize: [3 4] has length 5; a row of zeros stays', () => {
    close(
      l2Normalize(
        tf.tensor2d([
          [3, 4],
          [0, 0],
        ]),
      ),
      [0.6, 0.8, 0, 0],
    );
  });

  it('attention: equal scores average the values, a mask leaves the allowed one', () => {
    // D = 1, one head: q = k = 0, v = [2, 6]; row 0 may see both, row 1 only the second.
    const qkv = tf.tensor3d([0, 0, 2, 0, 0, 6], [1, 2, 3]);
    const mask = tf.tensor4d([0, 0, -1e4, 0], [1, 1, 2, 2]);
    close(attention(qkv, { heads: 1, mask }), [4, 6]);
    close(attention(qkv, { heads: 1 }), [4, 4]);
    // A prompt with value 10 is never masked: rows see {10, 2, 6} and {10, 6}.
    close(
      attention(qkv, { heads: 1, mask, promptKeys: tf.zeros([1, 1]), promptValues: tf.tensor2d([[10]]) }),
      [6, 8],
    );
  });

  it('crossAttention: one softmax over the keys of all parts, masked part by part', () => {
    // d = 1, one head, two queries of 0: equal scores average values. Parts: {2}, {6, 10}.
    const of = (...values: number[]) => tf.tensor4d(values, [1, 1, values.length, 1]);
    const queries = of(0, 0);
    const first = { keys: of(5), values: of(2) };
    const second = { keys: of(7, 8), values: of(6, 10) };
    close(crossAttention(queries, [first, second]), [6, 6]);
    // The first query does not see 10, the second sees 10 alone of its part.
    const mask = tf.tensor4d([0, -1e4, -1e4, 0], [1, 1, 2, 2]);
    close(crossAttention(queries, [first, { ...second, mask }]), [4, 6]);
    // Nobody sees the first part.
    const none = tf.tensor4d([-Infinity], [1, 1, 1, 1]);
    close(crossAttention(queries, [{ ...first, mask: none }, second]), [8, 8]);
  });

  it('crossAttention over the own keys is attention, with prompts as a part in front', () => {
    const random = createRandom(21);
    const [qkv, promptKeys, promptValues] = [
      [2, 3, 12],
      [2, 2, 4],
      [2, 2, 4],
    ].map((shape) => randomTensor(random, shape)) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
    const mask = tf.tensor4d([0, -1e4, 0, 0, -1e4, 0, 0, -1e4, -1e4], [1, 1, 3, 3]);
    const [queries, keys, values] = (tf.split(qkv, 3, 2) as tf.Tensor3D[]).map((part) => toHeads(part, 2));
    const got = crossAttention(queries as tf.Tensor4D, [
      { keys: toHeads(promptKeys, 2), values: toHeads(promptValues, 2) },
      { keys: keys as tf.Tensor4D, values: values as tf.Tensor4D, mask },
    ]);
    close(got, [...attention(qkv, { heads: 2, mask, promptKeys, promptValues }).dataSync()]);
  });

  it('attention: scores are scaled by 1 / sqrt(d) per head', () => {
    // Head 0 has d = 1 of D = 2: q = 1, k = [0, ln 3], so weights 1/4 and 3/4 of v = [4, 8] = 7; head 1 averages.
    const ln3 = Math.log(3);
    const qkv = tf.tensor3d([1, 0, 0, 0, 4, 1, 1, 0, ln3, 0, 8, 3], [1, 2, 6]);
    close(attention(qkv, { heads: 2 }), [7, 2, 7, 2]);
  });

  it('softmaxCrossEntropy: logits [0, ln 3] have p = [1/4, 3/4]', () => {
    // Label 1: ln(4/3) = 0.2876821. Smoothing 0.2 puts 0.9 and 0.1: 0.9 ln(4/3) + 0.1 ln 4 = 0.3975433.
    const logits = tf.tensor2d([[0, Math.log(3)]]);
    const labels = tf.tensor1d([1], 'int32');
    close(softmaxCrossEntropy(logits, labels), [0.2876821]);
    close(softmaxCrossEntropy(logits, labels, { labelSmoothing: 0.2 }), [0.3975433]);
  });

  it('softmaxCrossEntropy: large logits stay finite, one class costs nothing', () => {
    close(softmaxCrossEntropy(tf.tensor2d([[1000, 0]]), tf.tensor1d([0], 'int32')), [0]);
    close(softmaxCrossEntropy(tf.tensor2d([[7]]), tf.tensor1d([0], 'int32'), { labelSmoothing: 0.1 }), [0]);
  });

  it('embedding: rows by id, and repeated ids add their gradients', () => {
    const table = tf.tensor2d([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    const ids = tf.tensor1d([2, 0, 2], 'int32');
    close(embedding(table, ids), [5, 6, 1, 2, 5, 6]);
    const gradient = tf.grad((t) => embedding(t as tf.Tensor2D, ids))(
      table,
      tf.tensor2d([
        [1, 2],
        [3, 4],
        [5, 6],
      ]),
    );
    close(gradient, [3, 4, 0, 0, 6, 8]);
  });

  it('residual: x + keep * gamma * branch', () => {
    const y = residual(
      tf.ones([2, 2]),
      tf.tensor2d([
        [1, 2],
        [3, 4],
      ]),
      {
        scale: tf.tensor1d([10, 100]),
        keep: tf.tensor1d([2, 0]),
      },
    );
    close(y, [21, 401, 1, 1]);
  });

  it('mergeExperts: 2 W_0 + 3 W_1', () => {
    const [merged] = mergeExperts({
      gates: tf.tensor2d([[2, 3]]),
      experts: [
        { weight: tf.tensor2d([[1, 2]]), bias: tf.tensor1d([1]) },
        { weight: tf.tensor2d([[10, 20]]), bias: tf.tensor1d([100]) },
      ],
      chosen: [[0, 1]],
    });
    close(merged?.weight as tf.Tensor, [32, 64]);
    close(merged?.bias as tf.Tensor, [302]);
  });

  it('globalNorm: sqrt(3^2 + 4^2 + 12^2) = 13; of nothing 0', () => {
    close(globalNorm([tf.tensor1d([3, 4]), tf.tensor2d([[12]])]), [13]);
    close(globalNorm([]), [0]);
  });

  it('adamWStep: the first step moves by the learning rate against the sign, after the decay', () => {
    // m = 0.1 g, v = 0.02 g^2; corrected m / sqrt(v) = sign(g): w = w (1 - 0.1 * 0.5) - 0.1 * sign(g).
    const variable = tf.variable(tf.tensor1d([1, 2]));
    const plain = tf.variable(tf.tensor1d([1]));
    const m = [tf.variable(tf.zeros([2])), tf.variable(tf.zeros([1]))];
    const v = [tf.variable(tf.zeros([2])), tf.variable(tf.zeros([1]))];
    const options = { beta1: 0.9, beta2: 0.98, epsilon: 1e-12 };
    const first = { learningRate: 0.1, step: 1 };
    adamWStep(
      [
        {
          variable,
          gradient: tf.tensor1d([3, -7]),
          m: m[0] as tf.Variable,
          v: v[0] as tf.Variable,
          ...first,
          weightDecay: 0.5,
        },
        {
          variable: plain,
          gradient: tf.tensor1d([4]),
          m: m[1] as tf.Variable,
          v: v[1] as tf.Variable,
          ...first,
          weightDecay: 0,
        },
      ],
      { ...options, gradScale: 0.5 },
    );
    close(variable.clone(), [0.95 - 0.1, 1.9 + 0.1]);
    close(plain.clone(), [0.9]);
    // gradScale halves 3 to 1.5: m = 0.15, v = 0.02 * 2.25 = 0.045.
    close((m[0] as tf.Variable).clone(), [0.15, -0.35]);
    close((v[0] as tf.Variable).clone(), [0.045, 0.245]);
    tf.dispose([variable, plain, ...m, ...v]);
  });

  it('adamWStep leaves clones of a parameter as they were, and products see the new weight', () => {
    const weight = tf.variable(tf.tensor2d([[1, 2]]));
    const before = weight.clone();
    const [m, v] = [tf.variable(tf.zeros([1, 2])), tf.variable(tf.zeros([1, 2]))];
    const options = { beta1: 0.9, beta2: 0.98, epsilon: 1e-12 };
    const first = { learningRate: 1, weightDecay: 0, step: 1 };
    const x = tf.tensor2d([[1, 1]]);
    close(linear(x, weight as unknown as tf.Tensor2D), [3]);
    adamWStep([{ variable: weight, gradient: tf.tensor2d([[1, 1]]), m, v, ...first }], options);
    close(before, [1, 2]);
    close(weight.clone(), [0, 1]);
    close(linear(x, weight as unknown as tf.Tensor2D), [1]);
    tf.dispose([weight, m, v, x]);
  });

  it('adamWStep updates a parameter that began as a view, and leaves what it was a view of', () => {
    const whole = tf.tensor1d([1, 2, 3, 4]);
    const part = tf.slice(whole, [1], [2]);
    const variable = tf.variable(part);
    part.dispose();
    const [m, v] = [tf.variable(tf.zeros([2])), tf.variable(tf.zeros([2]))];
    const options = { beta1: 0.9, beta2: 0.98, epsilon: 1e-12 };
    const first = { learningRate: 1, weightDecay: 0, step: 1 };
    adamWStep([{ variable, gradient: tf.tensor1d([1, -1]), m, v, ...first }], options);
    close(variable.clone(), [1, 4]);
    close(whole, [1, 2, 3, 4]);
    tf.dispose([variable, m, v]);
  });

  it('a forward and gradient of every operator leave nothing behind', () => {
    const random = createRandom(1);
    const x = randomTensor<tf.Rank.R3>(random, [2, 3, 12]);
    const w = tf.variable(randomTensor<tf.Rank.R2>(random, [4, 12]));
    const b = tf.variable(randomTensor<tf.Rank.R1>(random, [4]));
    const g = tf.variable(randomTensor<tf.Rank.R1>(random, [4]));
    const table = tf.variable(randomTensor<tf.Rank.R2>(random, [5, 12]));
    const gates = tf.variable(tf.tensor2d([[0.5, 0.5]]));
    const step = () => {
      const { value, grads } = tf.variableGrads(() => {
        const rows = tf.add(
          x,
          embedding(
            table as unknown as tf.Tensor2D,
            tf.tensor2d(
              [
                [0, 1, 2],
                [4, 4, 4],
              ],
              [2, 3],
              'int32',
            ),
          ),
        );
        const attended = attention(rows as tf.Tensor3D, { heads: 2 });
        const y = linear(rows, w as unknown as tf.Tensor2D, b as unknown as tf.Tensor1D, {
          activation: 'gelu',
        });
        const stream = residual(y, attended as tf.Tensor, { scale: g as unknown as tf.Tensor1D });
        const normal = gelu(layerNorm(stream, g as unknown as tf.Tensor1D, b as unknown as tf.Tensor1D));
        const mixed = conditionalLinear(rows as tf.Tensor3D, {
          gates: gates as unknown as tf.Tensor2D,
          experts: [0, 1].map(() => ({
            weight: w as unknown as tf.Tensor2D,
            bias: b as unknown as tf.Tensor1D,
          })),
          chosen: [[0, 1]],
          segments: [{ row: 0, start: 0, length: 3 }],
        });
        const logits = tf.reshape(l2Normalize(tf.add(normal, mixed)), [6, 4]) as tf.Tensor2D;
        return tf.mean(softmaxCrossEntropy(logits, tf.tensor1d([0, 1, 2, 3, 0, 1], 'int32'))) as tf.Scalar;
      });
      tf.dispose([value, ...Object.values(grads)]);
    };
    step();
    expect(leakedTensors(step)).toEqual({ tensors: 0, buffers: 0 });
    tf.dispose([x, w, b, g, table, gates]);
  });
});

describe('error texts', () => {
  beforeAll(async () => {
    await selectEngine({ engine: 'cpu' });
  });

  const matrix = (rows: number, columns: number) => tf.zeros([rows, columns]) as tf.Tensor2D;

  it.each([
    [
      () => linear(matrix(2, 3), matrix(4, 5)),
      ShapeError,
      'linear: expected weight [out, in] of shape [?, 3], got [4, 5]; weights are stored [out, in]; transpose it or fix the input width',
    ],
    [
      () => linear(matrix(2, 3), matrix(4, 3), tf.zeros([3])),
      ShapeError,
      'linear: expected bias [out] of shape [4], got [3]; give one bias per output of the weight',
    ],
    [
      () => layerNorm(matrix(2, 3), tf.zeros([2]), tf.zeros([3])),
      ShapeError,
      'layerNorm: expected gamma of shape [3], got [2]; gamma and beta have one value for each feature of x',
    ],
    [
      () => l2Normalize(tf.scalar(1)),
      ShapeError,
      'l2Normalize: expected a tensor of rank 1 or more, got a scalar; add a feature axis',
    ],
    [
      () => attention(tf.zeros([1, 2, 9]), { heads: 2 }),
      ConfigError,
      'attention: expected a last axis of 3 * heads * d, got 9 with 2 heads; choose heads that divide the width',
    ],
    [
      () => attention(tf.zeros([1, 2, 6]), { heads: 2, mask: tf.zeros([1, 1, 2, 3]) }),
      ShapeError,
      'attention: expected a mask of shape [1|1, 1, 2|1, 2], got [1, 1, 2, 3]; leave prompts out of it, they are never masked',
    ],
    [
      () => attention(tf.zeros([1, 2, 6]), { heads: 2, promptKeys: matrix(1, 2) }),
      ConfigError,
      'attention: expected promptKeys and promptValues together, got only one; give both or neither',
    ],
    [
      () => crossAttention(tf.zeros([1, 2, 3, 4]), []),
      ShapeError,
      'crossAttention: expected one part of keys and values or more, got none',
    ],
    [
      () =>
        crossAttention(tf.zeros([1, 2, 3, 4]), [
          { keys: tf.zeros([1, 2, 5, 4]), values: tf.zeros([1, 2, 5, 4]), mask: tf.zeros([1, 1, 3, 3]) },
        ]),
      ShapeError,
      'crossAttention: expected a mask of part 0 of shape [1|1, 1, 3|1, 5], got [1, 1, 3, 3]; a mask has a column for each key of its part',
    ],
    [
      () => toHeads(tf.zeros([1, 2, 6]), 4),
      ShapeError,
      'toHeads: expected heads that divide the width 6, got 4',
    ],
    [
      () => softmaxCrossEntropy(matrix(2, 3), tf.zeros([3])),
      ShapeError,
      'softmaxCrossEntropy: expected labels of shape [2], got [3]; give one label for each row of logits',
    ],
    [
      () => softmaxCrossEntropy(matrix(2, 3), tf.zeros([2]), { labelSmoothing: 1 }),
      ConfigError,
      'softmaxCrossEntropy: expected labelSmoothing in [0, 1), got 1; 0.1 is usual',
    ],
    [
      () => embedding(matrix(2, 3), tf.zeros([2])),
      ShapeError,
      "embedding: expected ids of dtype int32, got float32 [2]; make them with tf.tensor(ids, shape, 'int32')",
    ],
    [
      () => embedding(matrix(2, 3), tf.tensor1d([0, 2], 'int32')),
      ShapeError,
      'embedding: expected ids in [0, 2), got 2 at position 1; is it of another vocabulary?',
    ],
    [
      () => residual(matrix(2, 3), matrix(2, 2)),
      ShapeError,
      'residual: expected branch of shape [2, 3], got [2, 2]; the branch has the shape of x',
    ],
    [
      () =>
        segmentLinear(
          tf.zeros([1, 4, 2]),
          [{ weight: matrix(3, 2), bias: tf.zeros([3]) }],
          [{ row: 0, start: 0, length: 3 }],
        ),
      ShapeError,
      'segmentLinear: expected spans that cover 4 tokens, got 3; add the missing span',
    ],
    [
      () =>
        segmentLinear(
          tf.zeros([1, 4, 2]),
          [{ weight: matrix(3, 2), bias: tf.zeros([3]) }],
          [{ row: 0, start: 1, length: 3 }],
        ),
      ShapeError,
      'segmentLinear: expected the next span to start at token 0, got start 1 of length 3; spans follow each other without gaps',
    ],
    [
      () =>
        segmentLinear(
          tf.zeros([1, 4, 2]),
          [{ weight: matrix(3, 2), bias: tf.zeros([3]) }],
          [{ row: 1, start: 0, length: 4 }],
        ),
      ShapeError,
      'segmentLinear: expected a row below 1, got 1; every span names one of the rows',
    ],
    [
      () =>
        mergeExperts({
          gates: matrix(1, 2),
          experts: [{ weight: matrix(3, 2), bias: tf.zeros([3]) }],
          chosen: [[0]],
        }),
      ShapeError,
      'mergeExperts: expected gates [R, E] of shape [1, 1], got [1, 2]; give one gate row for each list of chosen experts and one column for each expert',
    ],
    [
      () =>
        mergeExperts({
          gates: matrix(1, 1),
          experts: [{ weight: matrix(3, 2), bias: tf.zeros([3]) }],
          chosen: [[1]],
        }),
      ShapeError,
      'mergeExperts: expected chosen[0] to hold distinct expert ids below 1, got [1]',
    ],
    [
      () => mergeExperts({ gates: matrix(1, 1), experts: [], chosen: [[0]] }),
      ShapeError,
      'mergeExperts: expected at least one expert, got none; give the experts of the layer',
    ],
  ] as const)('%#: %s', (call, kind, text) => {
    let caught: unknown;
    try {
      tf.tidy(() => {
        call();
      });
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(kind);
    expect((caught as Error).message).toBe(text);
  });
});
