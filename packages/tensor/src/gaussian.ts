/**
 * The standard normal density and distribution function as compositions that are fast on every engine.
 * On wasm the exponential and erf are scalar loops while the sigmoid is vectorised, so exp(-u) is taken as
 * s / (1 - s) with s = sigmoid(-u), and erf follows Abramowitz & Stegun 7.1.26 (absolute error below 1.5e-7, the
 * approximation that tfjs itself uses).
 */
import * as tf from '@tensorflow/tfjs';

const SQRT_HALF = Math.SQRT1_2;
const INVERSE_SQRT_TWO_PI = 1 / Math.sqrt(2 * Math.PI);

/** exp(-u) for u >= 0. */
const decay = (u: tf.Tensor): tf.Tensor => {
  if (tf.getBackend() !== 'wasm') return tf.exp(tf.neg(u));
  const s = tf.sigmoid(tf.neg(u));
  return tf.div(s, tf.sub(1, s));
};

/** Standard normal density, element by element. */
export const gaussianDensity = (x: tf.Tensor): tf.Tensor =>
  tf.tidy(() => tf.mul(decay(tf.mul(tf.square(x), 0.5)), INVERSE_SQRT_TWO_PI));

/** Standard normal distribution function, element by element, float32. */
export const gaussianDistribution = (x: tf.Tensor): tf.Tensor =>
  tf.tidy(() => tf.mul(tf.add(tf.erf(tf.mul(x, SQRT_HALF)), 1), 0.5));
