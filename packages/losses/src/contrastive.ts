/**
 * Contrastive loss of paired representations, both ways, with the rest of the batch as negatives
 * (Radford et al. 2021, figure 3; Uni-Perceiver-MoE's retrieval task).
 *
 * Departs from CLIP in summing the two directions where CLIP averages them, as Uni-Perceiver does: a batch of N pairs
 * at chance has a loss of 2 ln N. The negatives are those of the call: accumulated batches count by their pairs, each of
 * which was compared with its own batch alone. Axes: N pairs · D width.
 */
import { ShapeError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { expectShape, lossOfNothing, similarityCrossEntropy, similarityLogits } from './similarity.ts';

/** Settings of {@link symmetricContrastive}. */
export interface SymmetricContrastiveOptions {
  /** In [0, 1). @default 0 */
  readonly labelSmoothing?: number;
  /**
   * [N, N], 1 where b of column j also belongs to a of row i, such as the same caption on two images; such columns
   * are no negatives. The diagonal always counts. Borrowed. @default none
   */
  readonly sameMask?: tf.Tensor2D;
}

/**
 * @param a float32 [N, D], rows of unit length; borrowed
 * @param b float32 [N, D], row i is the partner of row i of `a`; borrowed
 * @param temperature scalar factor of the cosines, above 0; borrowed
 * @returns float32 scalar, the caller's: cross-entropy from a to b plus from b to a, each a mean over N; 0 of no pairs
 * @throws ShapeError when the pairs don't match; ConfigError for smoothing out of range
 */
export const symmetricContrastive = (
  a: tf.Tensor2D,
  b: tf.Tensor2D,
  temperature: tf.Scalar,
  options: SymmetricContrastiveOptions = {},
): tf.Scalar => {
  if (a.rank !== 2 || a.shape.join() !== b.shape.join()) {
    throw new ShapeError(
      `symmetricContrastive: expected pairs of one shape (N, D), got [${a.shape.join(', ')}] and [${b.shape.join(', ')}]; give each row its partner`,
      { fields: { a: a.shape, b: b.shape } },
    );
  }
  const { labelSmoothing = 0, sameMask } = options;
  const pairs = a.shape[0];
  if (sameMask)
    expectShape('symmetricContrastive', sameMask, {
      name: 'sameMask',
      shape: [pairs, pairs],
      axes: '(N, N)',
    });
  if (pairs === 0) return lossOfNothing(a, b, temperature);
  return tf.tidy(() => {
    const logits = similarityLogits(a, b, temperature);
    const labels = Int32Array.from({ length: pairs }, (_, pair) => pair);
    const direction = (scores: tf.Tensor2D, exclude: tf.Tensor2D | undefined): tf.Scalar =>
      similarityCrossEntropy(scores, labels, { labelSmoothing, ...(exclude ? { exclude } : {}) });
    const forth = direction(logits, sameMask);
    const back = direction(tf.transpose(logits), sameMask && tf.transpose(sameMask));
    return tf.add(forth, back) as tf.Scalar;
  });
};
