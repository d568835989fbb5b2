/**
 * Layer normalisation over the last axis (Ba et al. 2016):
 *   xhat = (x - mean) / sqrt(var + epsilon),  y = xhat * gamma + beta,
 *   dx = (g - mean(g) - xhat * mean(g * xhat)) / sqrt(var + epsilon)  with g = dy * gamma.
 * The variance is the biased one, computed from the centred values. Axes: N all leading axes together · D width.
 */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel, withGradient } from './dispatch.ts';
import { columnSums, rows } from './products.ts';
import { expectShape, lastSize } from './shapes.ts';

/** Options of {@link layerNorm}. */
export interface LayerNormOptions {
  /** Added to the variance. @default 1e-5 */
  readonly epsilon?: number;
}

const composeGradient = (
  dy: tf.Tensor,
  { normal, inverse, gamma }: { normal: tf.Tensor2D; inverse: tf.Tensor2D; gamma: tf.Tensor },
): tf.Tensor[] => {
  const flat = rows(dy);
  const g = tf.mul(flat, gamma);
  const projected = tf.mul(normal, tf.mean(tf.mul(g, normal), 1, true));
  const dx = tf.mul(tf.sub(tf.sub(g, tf.mean(g, 1, true)), projected), inverse);
  return [tf.reshape(dx, dy.shape), columnSums(tf.mul(flat, normal)), columnSums(flat)];
};

/** xhat [N, D] and 1 / sqrt(var + epsilon) [N, 1]. */
const composeNormal = (x: tf.Tensor, epsilon: number): { normal: tf.Tensor2D; inverse: tf.Tensor2D } => {
  const flat = rows(x);
  const centred = tf.sub(flat, tf.mean(flat, 1, true));
  const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), 1, true), epsilon)) as tf.Tensor2D;
  return { normal: tf.mul(centred, inverse), inverse };
};

/**
 * @param x float32 [..., D]; borrowed
 * @param gamma float32 [D], @param beta float32 [D]; borrowed
 * @returns a new float32 tensor of x's shape
 * @throws ShapeError when gamma or beta do not have the width of x
 */
export const layerNorm = <T extends tf.Tensor>(
  x: T,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  { epsilon = 1e-5 }: LayerNormOptions = {},
): T => {
  const width = lastSize(x, 'layerNorm');
  const what = { operator: 'layerNorm', remedy: 'gamma and beta have one value for each feature of x' };
  expectShape(gamma, [width], { ...what, name: 'gamma' });
  expectShape(beta, [width], { ...what, name: 'beta' });

  return withGradient([x, gamma, beta], (save) => {
    if (hasKernel('PgLayerNorm') && hasKernel('PgLayerNormGrad')) {
      const [y, mean, inverse] = runKernel('PgLayerNorm', { x, gamma, beta }, { epsilon });
      save([x, gamma, present(mean), present(inverse)]);
      return {
        value: present(y),
        gradient: (dy, [savedX, savedGamma, savedMean, savedInverse]) =>
          runKernel('PgLayerNormGrad', {
            dy,
            x: savedX,
            gamma: savedGamma,
            mean: savedMean,
            inverse: savedInverse,
          }),
      };
    }
    const { normal, inverse } = composeNormal(x, epsilon);
    save([normal, inverse, gamma]);
    return {
      value: tf.reshape(tf.add(tf.mul(normal, gamma), beta), x.shape),
      gradient: (dy, [savedNormal, savedInverse, savedGamma]) =>
        composeGradient(dy, {
          normal: present(savedNormal) as tf.Tensor2D,
          inverse: present(savedInverse) as tf.Tensor2D,
          gamma: present(savedGamma),
        }),
    };
  }) as T;
};
