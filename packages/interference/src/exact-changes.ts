/**
 * Exact changes of losses: the left side of equation 1 of Uni-Perceiver-MoE. The weights of a site really take a step of
 * task j's batch a, theta - step * g / |g|, the losses of other batches are evaluated again, and the step is undone.
 *
 * T tasks · N batches of each · K steps that each batch is looked at after
 */
import { StateError } from '@polygate/core';
import type { Generalist } from '@polygate/generalist';
import type { TaskBatch } from '@polygate/tasks';
import { batchLoss, innerProduct, type BatchGradient } from './batch-gradients.ts';
import type { LossChanges } from './interference-matrix.ts';
import type { WeightSite } from './weight-site.ts';

export interface ExactOptions {
  /** Length of the step in weight space, above 0. */
  readonly step: number;
  /**
   * Steps of each task that every batch is looked at after: those of the K batches that follow it, round and round. All
   * N - 1 make T * T * N * (N - 1) evaluations. @default N - 1
   */
  readonly directions?: number;
  readonly signal?: AbortSignal;
  /** Called after each step with how many are done of how many. */
  readonly progress?: (done: number, all: number) => void;
}

/** What the measurement looks at. All borrowed. */
export interface MeasuredTasks {
  /** [T][N] */
  readonly batches: readonly (readonly TaskBatch[])[];
  /** [T][N], at the present weights. */
  readonly gradients: readonly (readonly BatchGradient[])[];
}

/** Puts `values` into the weights of a site. */
const write = (model: Generalist, site: WeightSite, values: readonly (Float32Array | undefined)[]): void => {
  for (const [at, { name }] of site.weights.entries()) {
    const value = values[at];
    if (value) model.parameters.write(name, value);
  }
  model.clearCaches();
};

const stepped = (
  weights: readonly Float32Array[],
  gradient: BatchGradient,
  factor: number,
): readonly (Float32Array | undefined)[] =>
  weights.map((before, at) => {
    const part = gradient.parts[at];
    return part?.map((slope, k) => (before[k] as number) - factor * slope);
  });

/**
 * Loss changes by steps that are really taken. The weights are afterwards what they were, bit for bit, also when
 * something throws.
 * @throws StateError when the signal aborts
 */
export const exactChanges = async (
  model: Generalist,
  site: WeightSite,
  measured: MeasuredTasks & ExactOptions,
): Promise<LossChanges> => {
  const { batches, gradients, step, signal, progress } = measured;
  const tasks = batches.length;
  const count = batches[0]?.length ?? 0;
  const { directions = count - 1 } = measured;
  const values = new Float64Array(tasks * tasks * count * count).fill(NaN);
  const { parameters } = model;
  const before = await Promise.all(site.weights.map(({ name }) => parameters.read(name)));
  let done = 0;
  try {
    for (const [j, taskGradients] of gradients.entries()) {
      for (const [a, gradient] of taskGradients.entries()) {
        const norm = Math.sqrt(innerProduct(gradient, gradient));
        if (norm > 0) write(model, site, stepped(before, gradient, step / norm));
        for (let i = 0; i < tasks; i += 1) {
          for (let back = 1; back <= directions; back += 1) {
            if (signal?.aborted) {
              throw new StateError(
                'interference: stopped before all changes were measured; the weights are as they were, run it again',
              );
            }
            const b = (a - back + count) % count;
            const old = gradients[i]?.[b]?.loss ?? NaN;
            const now = norm > 0 ? await batchLoss(model, batches[i]?.[b] as TaskBatch) : old;
            values[((i * tasks + j) * count + b) * count + a] = old - now;
          }
        }
        // An expert that this step moved may lie still in the next one.
        if (norm > 0) write(model, site, before);
        done += 1;
        progress?.(done, tasks * count);
      }
    }
  } finally {
    write(model, site, before);
  }
  return { tasks, batches: count, values };
};
