/** Which elements a strided slice reads. */
import * as tf from '@tensorflow/tfjs';
import { present } from '../dispatch.ts';

/** Attributes of the StridedSlice kernel. */
export interface StridedSliceAttributes {
  readonly begin: number[];
  readonly end: number[];
  readonly strides?: number[];
  readonly beginMask: number;
  readonly endMask: number;
  readonly ellipsisMask: number;
  readonly newAxisMask: number;
  readonly shrinkAxisMask: number;
}

/** Flat positions in a tensor of `shape` of the elements that the slice reads, in the order of its output. */
export const stridedPositions = (shape: number[], attributes: StridedSliceAttributes): Int32Array => {
  const { begin, end, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attributes;
  const given = attributes.strides ?? begin.map(() => 1);
  const dense = tf.slice_util.sliceInfo(
    shape,
    begin,
    end,
    given,
    beginMask,
    endMask,
    ellipsisMask,
    newAxisMask,
    shrinkAxisMask,
  );
  const counts = tf.slice_util.computeOutShape(dense.begin, dense.end, dense.strides);
  const memoryStrides = shape.map((_, axis) =>
    shape.slice(axis + 1).reduce((product, size) => product * size, 1),
  );
  const total = counts.reduce((product, count) => product * count, 1);
  const positions = new Int32Array(total);
  for (let n = 0; n < total; n += 1) {
    let rest = n;
    let position = 0;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      const count = present(counts[axis]);
      const index = present(dense.begin[axis]) + (rest % count) * present(dense.strides[axis]);
      rest = Math.floor(rest / count);
      position += index * present(memoryStrides[axis]);
    }
    positions[n] = position;
  }
  return positions;
};
