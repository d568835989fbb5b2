/**
 * Losses of numbers that are asked row by row: one flag for each of several labels, or regression.
 *
 * N rows · C outputs
 */
import { ShapeError } from '@polygate/core';
import { hostTensor } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';

/** @throws ShapeError for another number of values than outputs */
const valuesOf = (name: string, outputs: tf.Tensor2D, values: Float32Array): tf.Tensor2D => {
  if (values.length === outputs.size) return hostTensor<tf.Rank.R2>(() => values, outputs.shape);
  throw new ShapeError(
    `${name}: expected ${outputs.shape.join(' x ')} values, one for each output, got ${values.length}; give as many as there are targets`,
  );
};

/**
 * Binary cross-entropy of flags by logits, the mean over rows and labels: softplus(x) - x t.
 * @param logits [N, C]
 * @param flags [N * C] 0 or 1
 * @throws ShapeError
 */
export const multiLabelCrossEntropy = (logits: tf.Tensor2D, flags: Float32Array): tf.Scalar =>
  tf.tidy(() => {
    const wanted = valuesOf('multiLabelCrossEntropy', logits, flags);
    return tf.mean(tf.sub(tf.softplus(logits), tf.mul(logits, wanted)));
  });

/**
 * The mean of squared errors over rows and outputs.
 * @param outputs [N, C]
 * @param values [N * C]
 * @throws ShapeError
 */
export const meanSquaredError = (outputs: tf.Tensor2D, values: Float32Array): tf.Scalar =>
  tf.tidy(() => tf.mean(tf.squaredDifference(outputs, valuesOf('meanSquaredError', outputs, values))));
