/**
 * Gradients of the operators that read or write by index: each is the transposed move of the same values.
 * TensorScatterUpdate with repeated indices gives every repeated update the whole gradient, as TensorFlow does.
 */
import * as tf from '@tensorflow/tfjs';
import { present } from '../dispatch.ts';
import { gradientConfig } from './config.ts';
import { stridedPositions, type StridedSliceAttributes } from './strided-positions.ts';

const gatherNd = gradientConfig('GatherNd', { inputs: ['params', 'indices'] }, ([dy], [params, indices]) => ({
  params: () => tf.scatterND(present(indices), present(dy), present(params).shape as number[]),
}));

const scatterNd = gradientConfig('ScatterNd', { inputs: ['indices'] }, ([dy], [indices]) => ({
  updates: () => tf.gatherND(present(dy), present(indices)),
}));

const tensorScatterUpdate = gradientConfig(
  'TensorScatterUpdate',
  { inputs: ['indices', 'updates'] },
  ([dy], [indices, updates]) => ({
    // Not by another TensorScatterUpdate: the one of tfjs-cpu writes into its input.
    tensor: () => {
      const { shape } = present(dy);
      const written = tf.scatterND(present(indices), tf.onesLike(present(updates)), shape);
      return tf.mul(present(dy), tf.cast(tf.equal(written, 0), 'float32'));
    },
    updates: () => tf.gatherND(present(dy), present(indices)),
  }),
);

const topK = gradientConfig('TopK', { inputs: ['x'], outputs: [false, true] }, ([dy], [x, indices]) => ({
  x: () => {
    const classes = present(present(x).shape[present(x).rank - 1]);
    if (classes === 1) return tf.clone(present(dy));
    // [..., k, n] -> [..., n]
    const places = tf.cast(tf.oneHot(present(indices), classes), 'float32');
    return tf.sum(tf.mul(tf.expandDims(present(dy), -1), places), -2);
  },
}));

const stridedSlice = gradientConfig('StridedSlice', { inputs: ['x'] }, ([dy], [x], attributes) => ({
  x: () => {
    const { shape, size } = present(x);
    const positions = stridedPositions(shape, attributes as unknown as StridedSliceAttributes);
    if (positions.length === 0) return tf.zeros(shape);
    const flat = tf.reshape(present(dy), [positions.length]);
    return tf.reshape(
      tf.scatterND(tf.tensor2d(positions, [positions.length, 1], 'int32'), flat, [size]),
      shape,
    );
  },
}));

export const indexingGradients: readonly tf.GradConfig[] = [
  gatherNd,
  scatterNd,
  tensorScatterUpdate,
  topK,
  stridedSlice,
];
