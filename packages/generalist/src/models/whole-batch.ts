/**
 * A part of a batch that several processes compute, seen as the whole batch: rows of all parts for losses that compare or
 * norm them together, and what routers are told.
 *
 * B rows of the batch · b rows of the part · W width
 */
import type { PartExchange } from '@polygate/core';
import type { WholeBatch } from '@polygate/routers';
import * as tf from '@tensorflow/tfjs';

/**
 * Rows of all parts, [B, W], of which those of this part are on the tape. The loss that is computed of them is that of the
 * whole batch on every part, and counts by b / B; the part's own rows must get its gradient once, so they get it B / b times.
 * Belongs to the caller or the enclosing tidy. @param rows [b, W], borrowed
 */
export const gatherRows = (
  rows: tf.Tensor2D,
  exchange: PartExchange | undefined,
  name: string,
): tf.Tensor2D => {
  if (!exchange) return rows;
  const [count, width] = rows.shape;
  const { values, first } = exchange.gather(name, rows.dataSync());
  const total = values.length / width;
  if (total === count) return rows;
  const whole = tf.tensor2d(Float32Array.from(values), [total, width]);
  const op = tf.customGrad(() => ({
    value: whole,
    gradFunc: (dy: tf.Tensor) => tf.mul(tf.slice(dy, [first / width, 0], [count, width]), total / count),
  }));
  return op(rows) as tf.Tensor2D;
};

/**
 * What routers of a forward of a part are told.
 * @param label of the forward
 * @param share by what its losses count
 */
export const wholeOf = (
  exchange: PartExchange | undefined,
  label: string,
  share: number,
): { readonly whole?: WholeBatch } => {
  if (!exchange || share <= 0) return {};
  const within = exchange.within(label);
  return { whole: { share, sum: (name, part) => within.sum(name, part) } };
};
