/**
 * How fast the engine in use trains: a Transformer block of a small encoder, forward and backward, 1576 tokens of width 192.
 * A product alone would mislead: bf16 that is fast in a product may lose what it gains in conversions, and the other way
 * around.
 */
import * as tf from '@tensorflow/tfjs';
import { attention } from '../attention.ts';
import { layerNorm } from '../layer-norm.ts';
import { linear } from '../linear.ts';
import { residual } from '../residual.ts';
import { knownTensor, tensorOf } from './known.ts';

const BATCH = 8;
const LENGTH = 197;
const WIDTH = 192;
const HEADS = 3;
/** Steps that are timed, after one that is not. */
const STEPS = 5;

/** Multiplications and additions of a step: products of the linears and of attention, forward and twice backward. */
const OPERATIONS = 3 * 2 * BATCH * LENGTH * (12 * WIDTH ** 2 + 2 * LENGTH * WIDTH);

const block = (x: tf.Tensor, ...weights: tf.Tensor[]): tf.Tensor => {
  const [qkv, out, wide, narrow] = weights as tf.Tensor2D[];
  const [gamma, beta] = [tf.ones([WIDTH]) as tf.Tensor1D, tf.zeros([WIDTH]) as tf.Tensor1D];
  const mixed = attention(linear(layerNorm(x, gamma, beta), qkv as tf.Tensor2D) as tf.Tensor3D, {
    heads: HEADS,
  });
  const y = residual(x, linear(mixed, out as tf.Tensor2D));
  const hidden = linear(layerNorm(y, gamma, beta), wide as tf.Tensor2D, undefined, { activation: 'gelu' });
  return residual(y, linear(hidden, narrow as tf.Tensor2D));
};

/** Billions of multiplications and additions a second, by the fastest of a few steps: neighbours only make it slower. */
export const trainingSpeed = async (): Promise<number> => {
  const weights = [
    [3 * WIDTH, WIDTH],
    [WIDTH, WIDTH],
    [4 * WIDTH, WIDTH],
    [WIDTH, 4 * WIDTH],
  ].map((shape, seed) => {
    const { values } = knownTensor(shape, 100 + seed);
    return tensorOf({ shape, values: values.map((value) => value / 16) });
  });
  const x = tensorOf(knownTensor([BATCH, LENGTH, WIDTH], 99));
  const dy = tensorOf(knownTensor([BATCH, LENGTH, WIDTH], 98));
  const step = async (): Promise<number> => {
    const start = performance.now();
    const gradients = tf.tidy(() => tf.valueAndGrads(block)([x, ...weights], dy).grads);
    // Reading waits for the device.
    await gradients.at(-1)?.data();
    tf.dispose(gradients);
    return performance.now() - start;
  };
  try {
    await step();
    let fastest = Infinity;
    for (let i = 0; i < STEPS; i += 1) fastest = Math.min(fastest, await step());
    return OPERATIONS / (fastest * 1e6);
  } finally {
    tf.dispose([x, dy, ...weights]);
  }
};
