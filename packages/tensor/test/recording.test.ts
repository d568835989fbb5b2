/** Recorded functions through the interface that models use, and gradients that take nothing from the host. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import {
  attention,
  canRecord,
  embedding,
  hostTensor,
  layerNorm,
  linear,
  recordFunction,
  residual,
  softmaxCrossEntropy,
} from '../src/index.ts';
import { testEngines } from '../src/testing.ts';

const engines = await testEngines();

const values = (size: number, phase: number): Float32Array =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * phase));
const parameter = (shape: number[], phase: number): tf.Variable => {
  const size = shape.reduce((product, extent) => product * extent, 1);
  return tf.tidy(() => tf.variable(tf.tensor(values(size, phase), shape)));
};
const bits = (tensors: readonly tf.Tensor[]): number[][] =>
  tensors.map((tensor) => [...new Uint32Array(Float32Array.from(tensor.dataSync()).buffer)]);

describe.each(engines)('recording on $title', ({ name, use }) => {
  it('is what the torch engine does', async () => {
    await use();
    expect(canRecord()).toBe(name === 'torch');
    if (canRecord()) return;
    expect(() => recordFunction(() => [])).toThrow(
      `expected an engine that records functions, got ${tf.getBackend()}`,
    );
  });

  it('takes host values anew in each run: a block with its loss and gradients, bit for bit', async () => {
    await use();
    const [ids, labels] = [Int32Array.of(1, 4, 0, 2, 3, 3), Int32Array.of(2, 0, 1, 1, 2, 0)];
    const scales = values(2, 7);
    const weights = [[5, 4], [12, 4], [12], [4], [4], [3, 4]].map((shape, at) => parameter(shape, at));
    const [table, qkv, bias, gamma, beta, head] = weights as unknown as [
      tf.Tensor2D,
      tf.Tensor2D,
      tf.Tensor1D,
      tf.Tensor1D,
      tf.Tensor1D,
      tf.Tensor2D,
    ];
    const loss = (): tf.Scalar => {
      const x = embedding(
        table,
        hostTensor(() => ids, [2, 3], 'int32'),
      ) as tf.Tensor3D;
      const mixed = attention(linear(layerNorm(x, gamma, beta), qkv, bias) as tf.Tensor3D, { heads: 2 });
      const keep = hostTensor<tf.Rank.R1>(() => scales, [2]);
      const states = tf.reshape(residual(x, mixed, { keep }), [6, 4]) as tf.Tensor2D;
      const each = softmaxCrossEntropy(linear(states, head) as tf.Tensor2D, labels, { labelSmoothing: 0.1 });
      return tf.add(tf.mean(each), tf.mul(tf.sum(tf.square(states)), 0.01));
    };
    const fn = (): tf.Tensor[] => {
      const { value, grads } = tf.variableGrads(loss, weights);
      return [value, ...Object.values(grads)];
    };
    const plain = tf.tidy(fn);
    if (!canRecord()) {
      expect(plain).toHaveLength(7);
      tf.dispose([plain, weights]);
      return;
    }
    const { results, recording, refusal } = recordFunction(fn);
    if (!recording) throw refusal ?? new Error('neither a recording nor a reason');
    expect(bits(results)).toEqual(bits(plain));
    expect(bits(recording.run())).toEqual(bits(plain));
    ids.set([0, 0, 1, 2, 4, 4]);
    labels.set([1, 1, 0, 2, 2, 0]);
    scales.set([0, 1.5]);
    const other = tf.tidy(fn);
    expect(bits(recording.run())).toEqual(bits(other));
    expect(bits(other)).not.toEqual(bits(plain));
    expect(recording.hostValues()[0]).toBe(ids);
    recording.dispose();
    tf.dispose([plain, [...results], other, weights]);
  });

  it.each([
    ['sum', undefined, false],
    ['sum', 1, false],
    ['sum', [0, 2], true],
    ['mean', undefined, false],
    ['mean', -1, true],
    ['mean', [0, 1], false],
  ] as const)('spreads the gradient of a %s over axis %s', async (kind, axis, keep) => {
    await use();
    const x = tf.tensor(values(24, 1), [2, 3, 4]);
    const reduce = (given: tf.Tensor): tf.Tensor => tf[kind](given, axis as number | undefined, keep);
    const dy = tf.tidy(() =>
      tf.add(tf.zerosLike(reduce(x)), tf.tensor(values(reduce(x).size, 2), reduce(x).shape)),
    );
    const gradient = tf.grad(reduce)(x, dy);
    // Each element takes part in one sum: dy there, over the number of elements of a mean.
    const axes = tf.util.parseAxisParam(axis as number, x.shape);
    const count = kind === 'mean' ? axes.reduce((product, at) => product * (x.shape[at] ?? 1), 1) : 1;
    const wide = x.shape.map((extent, at) => (axes.includes(at) ? 1 : extent));
    const upstream = dy.dataSync();
    const expected = Array.from({ length: 24 }, (_, i) => {
      const place = [Math.floor(i / 12), Math.floor(i / 4) % 3, i % 4];
      const at = wide.reduce((index, extent, a) => index * extent + (extent === 1 ? 0 : (place[a] ?? 0)), 0);
      return (upstream[at] ?? 0) / count;
    });
    gradient.dataSync().forEach((value, i) => expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 6));
    tf.dispose([x, dy, gradient]);
  });
});
