/** Taking stacked tensors apart on the gradient tape. tfjs can't differentiate taking apart into one. */
import * as tf from '@tensorflow/tfjs';

/** The entries of a tensor's axis. */
export const entriesOf = (tensor: tf.Tensor, axis = 0): tf.Tensor[] =>
  tensor.shape[axis] === 1 ? [tf.squeeze(tensor, [axis])] : tf.unstack(tensor, axis);

/** Equal parts of a matrix along an axis. */
export const partsOf = (matrix: tf.Tensor2D, count: number, axis: 0 | 1): tf.Tensor2D[] =>
  count === 1 ? [matrix] : (tf.split(matrix, count, axis) as tf.Tensor2D[]);
