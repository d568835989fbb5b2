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

/** 0 in place of tokens that do not count: 0 times NaN is NaN, so they are not multiplied away. */
const onlyVisible = (x: tf.Tensor3D, visible: tf.Tensor2D | undefined): tf.Tensor3D =>
  visible ? tf.where(tf.notEqual(tf.expandDims(visible, 2), 0), x, 0) : x;

const composeWeights = (
  x: tf.Tensor3D,
  queries: tf.Tensor3D,
  visible: tf.Tensor2D | undefined,
): tf.Tensor3D => {
  const scores = tf.matMul(queries, x, false, true);
  if (!visible) return tf.softmax(scores, 2) as tf.Tensor3D;
  const counts = tf.notEqual(tf.expandDims(visible, 1), 0);
  // Where nothing is visible there is no softmax, and the choice makes it zero.
  return tf.where<tf.Tensor>(
    counts,
    tf.softmax(tf.where<tf.Tensor>(counts, scores, -Infinity), 2),
    0,
  ) as tf.Tensor3D;
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
    const counted = onlyVisible(x, visible);
    const weights = composeWeights(counted, queries, visible);
    save([counted, queries, weights, ...(visible ? [visible] : [])]);
    return {
      value: tf.matMul(weights, counted),
      gradient: (dy, [savedX, savedQueries, savedWeights, savedVisible]) => {
        const [dx, dq] = composeGradient(dy as tf.Tensor3D, {
          x: present(savedX) as tf.Tensor3D,
          queries: present(savedQueries) as tf.Tensor3D,
          weights: present(savedWeights) as tf.Tensor3D,
        });
        return [
          onlyVisible(present(dx) as tf.Tensor3D, savedVisible as tf.Tensor2D | undefined),
          present(dq),
        ];
      },
    };
  }) as tf.Tensor3D;
};
