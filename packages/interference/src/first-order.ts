/**
 * First-order changes of losses, from inner products of gradients: the right side of equation 1 of Uni-Perceiver-MoE,
 * step * <g_j[a], g_i[b]> / |g_j[a]|, without touching the model.
 *
 * T tasks · N batches of each · G gradients = T * N, task after task
 */
import { ShapeError } from '@polygate/core';
import type { LossChanges } from './interference-matrix.ts';

export interface FirstOrderOptions {
  /** T */
  readonly tasks: number;
  /** N */
  readonly batches: number;
  /** Length of the step in weight space; it cancels in interference. @default 1 */
  readonly step?: number;
}

/**
 * @param products [G, G] inner products of all gradients
 * @returns changes with a = b left out (NaN); 0 for a batch j whose gradient is 0 and so has no direction
 * @throws ShapeError for another number of products
 */
export const firstOrderChanges = (products: ArrayLike<number>, options: FirstOrderOptions): LossChanges => {
  const { tasks, batches, step = 1 } = options;
  const count = tasks * batches;
  if (products.length !== count * count) {
    throw new ShapeError(
      `firstOrderChanges: expected ${count * count} inner products of ${tasks} tasks of ${batches} batches, got ${products.length}`,
    );
  }
  const values = new Float64Array(tasks * tasks * batches * batches);
  for (let i = 0; i < tasks; i += 1) {
    for (let j = 0; j < tasks; j += 1) {
      for (let b = 0; b < batches; b += 1) {
        for (let a = 0; a < batches; a += 1) {
          const from = j * batches + a;
          const norm = Math.sqrt(products[from * count + from] ?? 0);
          const product = products[from * count + i * batches + b] ?? 0;
          const change = norm === 0 ? 0 : (step * product) / norm;
          values[((i * tasks + j) * batches + b) * batches + a] = a === b ? NaN : change;
        }
      }
    }
  }
  return { tasks, batches, values };
};
