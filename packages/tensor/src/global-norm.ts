/** The Euclidean norm over several tensors together, for clipping by global norm (Pascanu et al. 2013). */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel } from './dispatch.ts';

/**
 * sqrt of the sum of all squared elements.
 * @param tensors float32 tensors of any shapes; borrowed. None at all have norm 0.
 * @returns a new float32 scalar; no gradient flows through it
 */
export const globalNorm = (tensors: readonly tf.Tensor[]): tf.Scalar =>
  tf.tidy(() => {
    if (tensors.length === 0) return tf.scalar(0);
    if (hasKernel('PgGlobalNorm')) {
      return present(runKernel('PgGlobalNorm', {}, { tensors })[0]) as tf.Scalar;
    }
    return tf.sqrt(tf.addN(tensors.map((tensor) => tf.sum(tf.square(tensor))))) as tf.Scalar;
  });
