/**
 * Gradients of Cumsum and Cumprod along one axis.
 * Cumsum: dx = cumsum of dy in the other direction, exclusive as the forward (tfjs's own transposes the result, which
 * is wrong for every axis but the last).
 * Cumprod: dx_i = sum_j dy_j * prod_{k in scan of j, k != i} x_k, computed from all products with x_i left out, so it is
 * right where x has zeros; O(n^2) memory in the length n of the axis.
 */
import * as tf from '@tensorflow/tfjs';
import { present } from '../dispatch.ts';
import { gradientConfig } from './config.ts';

interface ScanAttributes {
  readonly axis: number;
  readonly exclusive: boolean;
  readonly reverse: boolean;
}

const cumsum = gradientConfig('Cumsum', {}, ([dy], _, attributes) => {
  const { axis, exclusive, reverse } = attributes as unknown as ScanAttributes;
  return { x: () => tf.cumsum(present(dy), axis, exclusive, !reverse) };
});

/** Moves `axis` to the end as the rows of a matrix, and back. */
const asRows = (
  x: tf.Tensor,
  axis: number,
): { rows: tf.Tensor2D; restore: (rows: tf.Tensor) => tf.Tensor } => {
  const order = [...x.shape.keys()].filter((a) => a !== axis).concat(axis);
  const moved = tf.transpose(x, order);
  const length = present(x.shape[axis]);
  const back = order.map((_, a) => order.indexOf(a));
  return {
    rows: tf.reshape(moved, [x.size / length, length]),
    restore: (rows) => tf.transpose(tf.reshape(rows, moved.shape), back),
  };
};

const cumprodGradient = (dy: tf.Tensor2D, x: tf.Tensor2D, exclusive: boolean): tf.Tensor => {
  const [count, n] = x.shape;
  const eye = tf.eye(n);
  // [N, n, n]: row i holds x with element i replaced by 1.
  const without = tf.add(tf.mul(tf.expandDims(x, 1), tf.sub(1, eye)), eye);
  const products = tf.cumprod(without, 2, exclusive);
  const position = tf.range(0, n, 1, 'float32');
  const i = tf.reshape(position, [n, 1]);
  const j = tf.reshape(position, [1, n]);
  const reaches = tf.cast(exclusive ? tf.less(i, j) : tf.lessEqual(i, j), 'float32');
  return tf.sum(tf.mul(tf.mul(products, reaches), tf.reshape(dy, [count, 1, n])), 2);
};

const cumprod = gradientConfig('Cumprod', { inputs: ['x'] }, ([dy], [x], attributes) => {
  const { axis, exclusive, reverse } = attributes as unknown as ScanAttributes;
  return {
    x: () => {
      const input = present(x);
      const last = present(tf.util.parseAxisParam(axis, input.shape)[0]);
      const { rows, restore } = asRows(input, last);
      const g = asRows(present(dy), last).rows;
      const flip = (t: tf.Tensor2D): tf.Tensor2D => (reverse ? tf.reverse(t, 1) : t);
      return restore(flip(cumprodGradient(flip(g), flip(rows), exclusive) as tf.Tensor2D));
    },
  };
});

export const scanGradients: readonly tf.GradConfig[] = [cumsum, cumprod];
