/**
 * Gradients of task losses with respect to the weights of one site, on the host in the form that inner products need.
 *
 * The loss is the one that evaluation computes, without routing noise and drop path: two evaluations of one batch with
 * the same weights give the same number.
 */
import { parameterGradients, ParameterSet } from '@polygate/nn';
import type { Generalist } from '@polygate/generalist';
import type { TaskBatch } from '@polygate/tasks';
import * as tf from '@tensorflow/tfjs';
import { setImmediate } from 'node:timers/promises';
import type { WeightSite } from './weight-site.ts';

/** Loss of a batch and its gradient over the weights of a site. */
export interface BatchGradient {
  readonly loss: number;
  /** By weight matrix of the site, row-major; undefined where the batch used no part of it: a gradient of 0. */
  readonly parts: readonly (Float32Array | undefined)[];
}

/** Loss of a batch with the present weights. */
export const batchLoss = async (model: Generalist, batch: TaskBatch): Promise<number> => {
  const { loss, metrics } = model.loss(batch, { training: false, differentiable: true });
  try {
    return (await loss.data())[0] ?? NaN;
  } finally {
    tf.dispose([loss, ...Object.values(metrics)]);
  }
};

/** Loss of a batch and its gradient. Only the way back to the site is computed. */
export const batchGradient = async (
  model: Generalist,
  batch: TaskBatch,
  site: WeightSite,
): Promise<BatchGradient> => {
  // A view of the model's set: it is not disposed of, for the variables are the model's.
  const subset = new ParameterSet(site.weights);
  const { loss, gradients } = parameterGradients(
    subset,
    () => model.loss(batch, { training: false, differentiable: true }).loss,
  );
  try {
    const parts = await Promise.all(
      site.weights.map(async ({ name }) => {
        const gradient = gradients[name];
        return gradient ? Float32Array.from((await gradient.data()) as Float32Array) : undefined;
      }),
    );
    return { loss: (await loss.data())[0] ?? NaN, parts };
  } finally {
    tf.dispose([loss, ...Object.values(gradients)]);
  }
};

/** Inner product of two gradients of one site, summed in double precision. */
export const innerProduct = (a: Pick<BatchGradient, 'parts'>, b: Pick<BatchGradient, 'parts'>): number => {
  let sum = 0;
  for (const [at, left] of a.parts.entries()) {
    const right = b.parts[at];
    if (!left || !right) continue;
    for (let k = 0; k < left.length; k += 1) sum += (left[k] as number) * (right[k] as number);
  }
  return sum;
};

/** All inner products of G gradients, [G, G]; the event loop gets a turn after every row. */
export const innerProducts = async (
  gradients: readonly Pick<BatchGradient, 'parts'>[],
): Promise<Float64Array> => {
  const count = gradients.length;
  const products = new Float64Array(count * count);
  for (const [row, left] of gradients.entries()) {
    for (let column = row; column < count; column += 1) {
      const product = innerProduct(left, gradients[column] as BatchGradient);
      products[row * count + column] = product;
      products[column * count + row] = product;
    }
    await setImmediate();
  }
  return products;
};
