/**
 * Look-up of rows of a table, with the gradient dtable[v] = sum of dy over the positions whose id is v.
 * On the engines whose tensors lie in this process's memory, cpu and wasm, both directions copy rows on the host:
 * tfjs-wasm has no segment sum and gathers element by element, and the segment sum of tfjs-cpu passes over all rows
 * once for every table entry. Others use their own gather and segment sum.
 * Axes: V table entries · D width.
 */
import { ShapeError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel, withGradient } from './dispatch.ts';
import { rows } from './products.ts';
import { expectShape, shapeText } from './shapes.ts';

/** Engines that read and write tensors at the price of a copy. */
const isHostEngine = (): boolean => tf.getBackend() === 'cpu' || tf.getBackend() === 'wasm';

/** @throws ShapeError naming the first id that has no row */
const checkIds = (ids: ArrayLike<number>, entries: number): void => {
  for (let n = 0; n < ids.length; n += 1) {
    const id = ids[n] ?? 0;
    if (id >= 0 && id < entries) continue;
    throw new ShapeError(
      `embedding: expected ids in [0, ${entries}), got ${id} at position ${n}; is it of another vocabulary?`,
      { fields: { entries, id, position: n } },
    );
  }
};

/** Runs an engine's own look-up; its error for an id without a row becomes the one that all engines have. */
const orRefuseIds =
  (lookUp: (table: tf.Tensor2D, ids: tf.Tensor1D) => tf.Tensor): typeof lookUp =>
  (table, ids) => {
    try {
      return lookUp(table, ids);
    } catch (error) {
      checkIds(ids.dataSync(), table.shape[0]);
      throw error;
    }
  };

const runForward = orRefuseIds((table, ids) => present(runKernel('PgEmbedding', { table, ids })[0]));

const gatherOnEngine = orRefuseIds((table, ids) => tf.gather(table, ids));

const gatherOnHost = (table: tf.Tensor2D, ids: tf.Tensor1D): tf.Tensor2D => {
  const [entries, width] = table.shape;
  const values = table.dataSync();
  const index = ids.dataSync();
  checkIds(index, entries);
  const out = new Float32Array(index.length * width);
  for (let n = 0; n < index.length; n += 1) {
    const id = index[n] ?? 0;
    out.set(values.subarray(id * width, (id + 1) * width), n * width);
  }
  return tf.tensor2d(out, [index.length, width]);
};

const addOnHost = (dy: tf.Tensor2D, ids: tf.Tensor1D, entries: number): tf.Tensor2D => {
  const width = dy.shape[1];
  const values = dy.dataSync();
  const index = ids.dataSync();
  const sums = new Float32Array(entries * width);
  for (let n = 0; n < index.length; n += 1) {
    const from = n * width;
    const to = (index[n] ?? 0) * width;
    for (let d = 0; d < width; d += 1) sums[to + d] = (sums[to + d] ?? 0) + (values[from + d] ?? 0);
  }
  return tf.tensor2d(sums, [entries, width]);
};

const composeForward = (table: tf.Tensor2D, ids: tf.Tensor1D): tf.Tensor =>
  isHostEngine() ? gatherOnHost(table, ids) : gatherOnEngine(table, ids);

const composeGradient = (dy: tf.Tensor2D, ids: tf.Tensor1D, entries: number): tf.Tensor2D =>
  !isHostEngine() && hasKernel('UnsortedSegmentSum')
    ? tf.unsortedSegmentSum(dy, ids, entries)
    : addOnHost(dy, ids, entries);

/**
 * @param table float32 [V, D]; borrowed
 * @param ids int32 of any shape, each in [0, V); borrowed. Checked but on a GPU, where reading them would
 * stall the engine: there an id without a row gives NaN.
 * @returns float32 [...ids, D]
 * @throws ShapeError when the table is no matrix, the ids are not int32, or an id is out of range
 */
export const embedding = (table: tf.Tensor2D, ids: tf.Tensor): tf.Tensor => {
  expectShape(table, [null, null], {
    operator: 'embedding',
    name: 'table',
    remedy: 'give one row for each entry',
  });
  if (ids.dtype !== 'int32') {
    throw new ShapeError(
      `embedding: expected ids of dtype int32, got ${ids.dtype} ${shapeText(ids.shape)}; make them with tf.tensor(ids, shape, 'int32')`,
    );
  }
  const [entries, width] = table.shape;
  const shape = [...ids.shape, width];
  const flat = tf.reshape(ids, [ids.size]) as tf.Tensor1D;
  return withGradient([table], (save) => {
    save([flat]);
    return {
      value: hasKernel('PgEmbedding')
        ? tf.reshape(runForward(table, flat), shape)
        : tf.reshape(composeForward(table, flat), shape),
      gradient: (dy, [savedIds]) => {
        const index = present(savedIds) as tf.Tensor1D;
        return hasKernel('PgEmbeddingGrad')
          ? runKernel('PgEmbeddingGrad', { dy: rows(dy), ids: index }, { entries })
          : [composeGradient(rows(dy), index, entries)];
      },
    };
  });
};
