/** Taking stacked tensors apart on the gradient tape. tfjs can't differentiate taking apart into one. */
import * as tf from '@tensorflow/tfjs';

/** The entries of a tensor's axis. */
export const entriesOf = (tensor: tf.Tensor, axis = 0): tf.Tensor[] =>
  tensor.shape[axis] === 1 ? [tf.squeeze(tensor, [axis])] : tf.unstack(tensor, axis);
