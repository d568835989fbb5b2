/** Tensors from a seeded stream. */
import type { Random } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';

/** Standard normal float32 numbers times `scale`; belongs to the caller. */
export const randomTensor = <R extends tf.Rank = tf.Rank>(
  random: Random,
  shape: number[],
  scale = 1,
): tf.Tensor<R> => {
  const size = shape.reduce((product, length) => product * length, 1);
  const values = Float32Array.from({ length: size }, () => random.normal() * scale);
  return tf.tensor(values, shape as tf.ShapeMap[R]) as tf.Tensor<R>;
};

/** Uniform int32 numbers in [0, bound); belongs to the caller. */
export const randomIds = (random: Random, shape: number[], bound: number): tf.Tensor => {
  const size = shape.reduce((product, length) => product * length, 1);
  return tf.tensor(
    Int32Array.from({ length: size }, () => random.integer(bound)),
    shape,
    'int32',
  );
};
