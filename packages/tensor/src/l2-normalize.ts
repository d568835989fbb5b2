/**
 * Rows of unit length: y = x / max(|x|, epsilon), with dx = (dy - y <y, dy>) / max(|x|, epsilon) where the norm is
 * above epsilon and dy / epsilon below. Axes: N all leading axes together · D width.
 */
import * as tf from '@tensorflow/tfjs';
import { present, withGradient } from './dispatch.ts';
import { rows } from './products.ts';
import { lastSize } from './shapes.ts';

/** Options of {@link l2Normalize}. */
export interface L2NormalizeOptions {
  /** Smallest length that is divided by. @default 1e-12 */
  readonly epsilon?: number;
}

/**
 * Divides each row of the last axis by its Euclidean length.
 * @param x float32 [..., D]; borrowed
 * @returns a new float32 tensor of x's shape
 */
export const l2Normalize = <T extends tf.Tensor>(x: T, { epsilon = 1e-12 }: L2NormalizeOptions = {}): T => {
  lastSize(x, 'l2Normalize');
  return withGradient([x], (save) => {
    const flat = rows(x);
    const norm = tf.sqrt(tf.sum(tf.square(flat), 1, true));
    const inverse = tf.div(1, tf.maximum(norm, epsilon));
    const y = tf.mul(flat, inverse);
    // Below epsilon the length is a constant, so the projection must not be taken off.
    const active = tf.cast(tf.greater(norm, epsilon), 'float32');
    save([y, inverse, active]);
    return {
      value: tf.reshape(y, x.shape),
      gradient: (dy, saved) => {
        const [unit, scale, mask] = saved.map((tensor) => tensor as tf.Tensor2D);
        const g = rows(dy);
        const along = tf.mul(tf.sum(tf.mul(g, present(unit)), 1, true), present(mask));
        return [tf.reshape(tf.mul(tf.sub(g, tf.mul(present(unit), along)), present(scale)), dy.shape)];
      },
    };
  }) as T;
};
