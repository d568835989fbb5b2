/**
 * Weighted means of the tokens of each sample, one for each of its queries, float32 in every precision:
 *   a[b, h] = softmax over the visible tokens t of <q[b, h], x[b, t]>,   p[b, h] = sum_t a[b, h, t] x[b, t].
 * With queries that carry the key projection this is attention pooling (CLIP's, Radford et al. 2021) at the cost of two
 * passes over the tokens; queries of zero give the plain mean. A sample without a visible token gives 0. Gradients:
 *   da = dp x^T,   ds = a * (da - sum_t a da),   dq = ds x,   dx = a^T dp + ds^T q.
 * Axes: B batch · T tokens · H queries · D width.
 */
import * as tf from '@tensorflow/tfjs';
import { present, withGradient } from './dispatch.ts';
import { expectShape } from './shapes.ts';

/** Options of {@link poolingAttention}. */
export interface PoolingAttentionOptions {
  /** float32 [B, T], 1 at tokens that count and 0 at padding; borrowed. @default all count */
  readonly visible?: tf.Tensor2D | undefined;
}

/** Subtracted from the scores of padding: below every score, and finite. */
const FAR = 1e9;

const composeWeights = (
  x: tf.Tensor3D,
  queries: tf.Tensor3D,
  visible: tf.Tensor2D | undefined,
): tf.Tensor3D => {
  const scores = tf.matMul(queries, x, false, true);
  if (!visible) return tf.softmax(scores, 2) as tf.Tensor3D;
  const mask = tf.expandDims(visible, 1);
  // Where nothing is visible the softmax is even, and the factor makes it zero.
  return tf.mul(tf.softmax(tf.add(scores, tf.mul(tf.sub(mask, 1), FAR)), 2), mask) as tf.Tensor3D;
};

const composeGradient = (
  dy: tf.Tensor3D,
  { x, queries, weights }: { x: tf.Tensor3D; queries: tf.Tensor3D; weights: tf.Tensor3D },
): tf.Tensor[] => {
  const toWeights = tf.matMul(dy, x, false, true);
  const along = tf.sum(tf.mul(weights, toWeights), 2, true);
  const toScores = tf.mul(weights, tf.sub(toWeights, along)) as tf.Tensor3D;
  const dx = tf.add(tf.matMul(weights, dy, true, false), tf.matMul(toScores, queries, true, false));
  return [dx, tf.matMul(toScores, x)];
};

/**
 * @param x float32 [B, T, D]; borrowed
 * @param queries float32 [B, H, D], scaled already; borrowed
 * @returns a new float32 tensor [B, H, D]
 * @throws ShapeError when the sizes do not fit
 */
export const poolingAttention = (
  x: tf.Tensor3D,
  queries: tf.Tensor3D,
  { visible }: PoolingAttentionOptions = {},
): tf.Tensor3D => {
  const operator = 'poolingAttention';
  expectShape(x, [null, null, null], { operator, name: 'x [B, T, D]', remedy: 'add a batch axis' });
  const [batch, tokens, width] = x.shape;
  expectShape(queries, [batch, null, width], {
    operator,
    name: 'queries [B, H, D]',
    remedy: 'give each sample queries as wide as its tokens',
  });
  if (visible) {
    expectShape(visible, [batch, tokens], {
      operator,
      name: 'visible [B, T]',
      remedy: 'give one number for each token',
    });
  }
  return withGradient([x, queries], (save) => {
    const weights = composeWeights(x, queries, visible);
    save([x, queries, weights]);
    return {
      value: tf.matMul(weights, x),
      gradient: (dy, [savedX, savedQueries, savedWeights]) =>
        composeGradient(dy as tf.Tensor3D, {
          x: present(savedX) as tf.Tensor3D,
          queries: present(savedQueries) as tf.Tensor3D,
          weights: present(savedWeights) as tf.Tensor3D,
        }),
    };
  }) as tf.Tensor3D;
};
