/**
 * Cross-entropy of queries whose inputs were mixed of two (mixup, CutMix): the targets are both labels by their shares. The
 * cross-entropy is linear in its targets, so it is the sum of two.
 *
 * Axes: N queries · C candidates
 */
import { ShapeError } from '@polygate/core';
import { hostTensor } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { similarityCrossEntropy, type SimilarityCrossEntropyOptions } from './similarity.ts';

/** Two labels of each query. */
export interface MixedTargets {
  /** [N] */
  readonly labels: Int32Array;
  readonly mixed: {
    /** [N] */
    readonly labels: Int32Array;
    /** [N] share of the first label, 0 to 1. */
    readonly shares: Float32Array;
  };
}

/**
 * Mean over queries of `share * CE(label) + (1 - share) * CE(other label)`.
 * @param logits float32 [N, C]; borrowed
 * @returns float32 scalar, the caller's
 * @throws as {@link similarityCrossEntropy}; ShapeError for shares that are none
 */
export const mixedCrossEntropy = (
  logits: tf.Tensor2D,
  { labels, mixed }: MixedTargets,
  options: Pick<SimilarityCrossEntropyOptions, 'labelSmoothing' | 'logQ'> = {},
): tf.Scalar => {
  const { shares } = mixed;
  const bad = shares.find((share) => !(share >= 0 && share <= 1));
  if (bad !== undefined || shares.length !== labels.length) {
    throw new ShapeError(
      `mixedCrossEntropy: expected ${labels.length} shares from 0 to 1, got ${bad ?? shares.length}; give the share of each query's first label`,
    );
  }
  return tf.tidy(() => {
    const count = shares.length;
    const mean = (): number => shares.reduce((sum, share) => sum + share, 0) / Math.max(1, count);
    const scalar = (value: () => number): tf.Scalar =>
      hostTensor<tf.Rank.R0>(() => Float32Array.of(value()), []);
    // A weighted mean divides by the sum of its weights; the mean over queries does not.
    const part = (of: Int32Array, weights: () => Float32Array): tf.Scalar =>
      similarityCrossEntropy(logits, of, {
        ...options,
        weights: hostTensor<tf.Rank.R1>(weights, [count]),
      });
    const others = (): Float32Array => shares.map((share) => 1 - share);
    const first = tf.mul(
      part(labels, () => shares),
      scalar(mean),
    );
    const second = tf.mul(
      part(mixed.labels, others),
      scalar(() => 1 - mean()),
    );
    return tf.add(first, second) as tf.Scalar;
  });
};
