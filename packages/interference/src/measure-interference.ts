/** Interference of tasks on the weights of one site, first order and exact. */
import { ConfigError, StateError } from '@polygate/core';
import type { Generalist } from '@polygate/generalist';
import type { TaskBatch } from '@polygate/tasks';
import { batchGradient, innerProducts, type BatchGradient } from './batch-gradients.ts';
import { exactChanges } from './exact-changes.ts';
import { firstOrderChanges } from './first-order.ts';
import { interferenceMatrix, type InterferenceMatrix } from './interference-matrix.ts';
import type { WeightSite } from './weight-site.ts';

export interface MeasureOptions {
  /** [T][N] batches of each task, as many for all. Borrowed. */
  readonly batches: readonly (readonly TaskBatch[])[];
  /**
   * Length of a step as a share of the weights' norm (of one expert, where there are several: the root mean square of
   * all). @default 1e-3
   */
  readonly step?: number;
  /** Steps of each task after which a batch is evaluated; 0 leaves the exact changes out. @default 4 */
  readonly directions?: number;
  /** Of the errors' bootstrap. @default 1 */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** What is done, in words, for a log. */
  readonly progress?: (text: string) => void;
}

/** Interference on one site. */
export interface SiteInterference {
  /** Length of the step in weight space. */
  readonly step: number;
  /** Number of weights that were looked at. */
  readonly weights: number;
  readonly firstOrder: InterferenceMatrix;
  readonly exact?: InterferenceMatrix;
}

const normOf = async (model: Generalist, site: WeightSite): Promise<{ norm: number; count: number }> => {
  let sum = 0;
  let count = 0;
  for (const { name } of site.weights) {
    const values = await model.parameters.read(name);
    for (const value of values) sum += value * value;
    count += values.length;
  }
  return { norm: Math.sqrt(sum / Math.max(1, site.experts)), count };
};

/**
 * Measures the interference between tasks on one site of a model. The model is borrowed and has the same weights, bit
 * for bit, afterwards.
 * @throws ConfigError for fewer than two tasks or three batches; StateError when the signal aborts or a loss is not finite
 */
export const measureInterference = async (
  model: Generalist,
  site: WeightSite,
  options: MeasureOptions,
): Promise<SiteInterference> => {
  const { batches, step: share = 1e-3, directions = 4, seed = 1, signal, progress } = options;
  const count = Math.min(...batches.map((taskBatches) => taskBatches.length));
  if (batches.length < 2 || count < 3 || batches.some((taskBatches) => taskBatches.length !== count)) {
    throw new ConfigError(
      `interference: expected two or more tasks with the same number of batches, at least 3, got ${batches.map((taskBatches) => taskBatches.length).join(', ') || 'no task'}`,
    );
  }
  if (!(share > 0) || !Number.isInteger(directions) || directions < 0 || directions > count - 1) {
    throw new ConfigError(
      `interference: expected a step above 0 and from 0 to ${count - 1} directions, got ${share} and ${directions}`,
    );
  }
  const gradients: BatchGradient[][] = [];
  for (const [task, taskBatches] of batches.entries()) {
    const row: BatchGradient[] = [];
    for (const batch of taskBatches) {
      if (signal?.aborted)
        throw new StateError('interference: stopped before all gradients were taken; run it again');
      const gradient = await batchGradient(model, batch, site);
      if (!Number.isFinite(gradient.loss)) {
        throw new StateError(
          `interference: expected finite losses, got ${gradient.loss} for task "${batch.task}"; measure an earlier checkpoint`,
          { code: 'loss-not-finite' },
        );
      }
      row.push(gradient);
    }
    gradients.push(row);
    progress?.(`gradients of task ${task + 1} of ${batches.length}`);
  }
  const { norm, count: weights } = await normOf(model, site);
  const step = share * norm;
  const sizes = { tasks: batches.length, batches: count, step };
  const products = await innerProducts(gradients.flat());
  const firstOrder = interferenceMatrix(firstOrderChanges(products, sizes), { seed });
  if (directions === 0) return { step, weights, firstOrder };
  const changes = await exactChanges(model, site, {
    batches,
    gradients,
    step,
    directions,
    ...(signal ? { signal } : {}),
    ...(progress
      ? {
          progress: (done, all) => {
            if (done % count === 0) progress(`exact changes by ${done} of ${all} steps`);
          },
        }
      : {}),
  });
  return { step, weights, firstOrder, exact: interferenceMatrix(changes, { seed }) };
};
