/**
 * Losses of numbers that are asked row by row: one flag for each of several labels, or regression.
 *
 * N rows · C outputs
 */
import { ShapeError } from '@polygate/core';
import { hostTensor } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { lossOfNothing } from './similarity.ts';

/**
 * The mean of what outputs and values give; 0 of no outputs.
 * @throws ShapeError for another number of values than outputs
 */
const meanOf = (
  name: string,
  outputs: tf.Tensor2D,
  { values, each }: { readonly values: Float32Array; readonly each: (wanted: tf.Tensor2D) => tf.Tensor },
): tf.Scalar => {
  if (values.length === outputs.size) {
    if (values.length === 0) return lossOfNothing(outputs);
    return tf.tidy(() => tf.mean(each(hostTensor<tf.Rank.R2>(() => values, outputs.shape))));
  }
  throw new ShapeError(
    `${name}: expected ${outputs.shape.join(' x ')} values, one for each output, got ${values.length}; give as many as there are targets`,
  );
};

/**
 * Binary cross-entropy of flags by logits, the mean over rows and labels: softplus(x) - x t. 0 of no rows.
 * @param logits [N, C]
 * @param flags [N * C] 0 or 1
 * @throws ShapeError
 */
export const multiLabelCrossEntropy = (logits: tf.Tensor2D, flags: Float32Array): tf.Scalar =>
  meanOf('multiLabelCrossEntropy', logits, {
    values: flags,
    each: (wanted) => tf.sub(tf.softplus(logits), tf.mul(logits, wanted)),
  });

/**
 * The mean of squared errors over rows and outputs; 0 of no rows.
 * @param outputs [N, C]
 * @param values [N * C]
 * @throws ShapeError
 */
export const meanSquaredError = (outputs: tf.Tensor2D, values: Float32Array): tf.Scalar =>
  meanOf('meanSquaredError', outputs, {
    values,
    each: (wanted) => tf.squaredDifference(outputs, wanted),
  });
