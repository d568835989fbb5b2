/**
 * GELU with the exact Gaussian distribution function (Hendrycks & Gimpel 2016, equation 1; not the tanh form):
 *   y = x * Phi(x),  Phi(x) = (1 + erf(x / sqrt 2)) / 2,  dy/dx = Phi(x) + x * phi(x).
 */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel, withGradient } from './dispatch.ts';
import { gaussianDensity, gaussianDistribution } from './gaussian.ts';

/** The portable forward: value and the distribution function, which the gradient needs again. */
export const composeGelu = (x: tf.Tensor): { value: tf.Tensor; distribution: tf.Tensor } => {
  const distribution = gaussianDistribution(x);
  return { value: tf.mul(x, distribution), distribution };
};

/** The portable gradient of {@link composeGelu}. */
export const composeGeluGradient = (dy: tf.Tensor, x: tf.Tensor, distribution: tf.Tensor): tf.Tensor =>
  tf.tidy(() => tf.mul(dy, tf.add(distribution, tf.mul(x, gaussianDensity(x)))));

/**
 * Exact GELU, element by element.
 * @param x float32, any shape; borrowed
 * @returns a new float32 tensor of x's shape
 */
export const gelu = <T extends tf.Tensor>(x: T): T =>
  withGradient([x], (save) => {
    if (hasKernel('PgGelu')) {
      save([x]);
      return {
        value: present(runKernel('PgGelu', { x })[0]),
        gradient: (dy, [input]) =>
          hasKernel('PgGeluGrad')
            ? runKernel('PgGeluGrad', { dy, x: present(input) })
            : [composeGeluGradient(dy, present(input), gaussianDistribution(present(input)))],
      };
    }
    const { value, distribution } = composeGelu(x);
    save([x, distribution]);
    return {
      value,
      gradient: (dy, [input, phi]) => [composeGeluGradient(dy, present(input), present(phi))],
    };
  }) as T;
