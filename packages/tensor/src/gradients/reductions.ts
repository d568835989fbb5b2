/**
 * Gradients of Sum and Mean: every element of x gets the gradient of the sum it is in, divided by their number for a mean.
 * tfjs's own spread it by ones that are made on the host for every call; these are the same products, with ones that the
 * engine fills in. A function that an engine records makes no tensors of host values.
 */
import * as tf from '@tensorflow/tfjs';
import { present } from '../dispatch.ts';
import { gradientConfig } from './config.ts';

interface ReductionAttributes {
  readonly axis: number | number[];
}

/** dy, once for each element of x, and how many elements each sum has. */
const spread = (
  dy: tf.Tensor,
  x: tf.Tensor,
  attributes: Record<string, unknown>,
): { readonly value: tf.Tensor; readonly count: number } => {
  const { axis } = attributes as unknown as ReductionAttributes;
  const axes = tf.util.parseAxisParam(axis, x.shape);
  const shape = x.shape.map((extent, at) => (axes.includes(at) ? 1 : extent));
  const count = axes.reduce((product, at) => product * present(x.shape[at]), 1);
  return { value: tf.mul(tf.reshape(dy, shape), tf.fill(x.shape, 1, 'float32')), count };
};

const sum = gradientConfig('Sum', { inputs: ['x'] }, ([dy], [x], attributes) => ({
  x: () => spread(present(dy), present(x), attributes).value,
}));

const mean = gradientConfig('Mean', { inputs: ['x'] }, ([dy], [x], attributes) => ({
  x: () => {
    const { value, count } = spread(present(dy), present(x), attributes);
    return tf.div(value, count);
  },
}));

export const reductionGradients: readonly tf.GradConfig[] = [sum, mean];
