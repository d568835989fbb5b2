/** Gradients by central differences, to hold hand-written ones against. */
import * as tf from '@tensorflow/tfjs';
import { relativeDifference } from './differences.ts';

/** Options of {@link finiteDifference}. */
export interface FiniteDifferenceOptions {
  /** Step of the wider of the two differences. @default 0.02 */
  readonly step?: number;
}

/**
 * d f / d input for a scalar function of float32 tensors, by Richardson extrapolation of two central differences
 * (error O(step^4); the rest is the rounding of float32, about 1e-7 |f| / step). Slow: four evaluations per element.
 * @param inputs borrowed
 * @returns one Float32Array per input
 */
export const finiteDifference = (
  f: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: readonly tf.Tensor[],
  { step = 0.02 }: FiniteDifferenceOptions = {},
): Float32Array[] => {
  const values = inputs.map((input) => Float32Array.from(input.dataSync()));
  const evaluate = (): number =>
    tf.tidy(() => {
      const tensors = inputs.map((input, at) => tf.tensor((values[at] as Float32Array).slice(), input.shape));
      return f(...tensors).dataSync()[0] ?? Number.NaN;
    });
  return values.map((point) => {
    const gradient = new Float32Array(point.length);
    for (let i = 0; i < point.length; i += 1) {
      const centre = point[i] ?? 0;
      const difference = (h: number): number => {
        point[i] = centre + h;
        const up = evaluate();
        const high = point[i] ?? 0;
        point[i] = centre - h;
        const down = evaluate();
        const low = point[i] ?? 0;
        point[i] = centre;
        return (up - down) / (high - low);
      };
      gradient[i] = (4 * difference(step / 2) - difference(step)) / 3;
    }
    return gradient;
  });
};

/**
 * The largest relative difference between tfjs's gradient of `f` and the one by differences, over all inputs.
 * Relative to the largest element of each gradient, so that cancellation in small elements does not count.
 */
export const gradientError = (
  f: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: readonly tf.Tensor[],
  options: FiniteDifferenceOptions = {},
): number => {
  const expected = finiteDifference(f, inputs, options);
  return tf.tidy(() => {
    const gradients = tf.grads((...tensors: tf.Tensor[]) => f(...tensors) as tf.Scalar)([...inputs]);
    return Math.max(
      ...gradients.map((gradient, at) =>
        relativeDifference(gradient.dataSync(), expected[at] ?? new Float32Array()),
      ),
    );
  });
};
