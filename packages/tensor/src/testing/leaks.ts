/** Tensors that a piece of code leaves behind. */
import * as tf from '@tensorflow/tfjs';

/**
 * How many tensors and data buffers more are alive after `run` than before; `run` disposes of what it returns. Not
 * inside a tidy, which would clean up behind it.
 */
export const leakedTensors = (run: () => void): { readonly tensors: number; readonly buffers: number } => {
  const before = tf.memory();
  run();
  const after = tf.memory();
  return {
    tensors: after.numTensors - before.numTensors,
    buffers: after.numDataBuffers - before.numDataBuffers,
  };
};
