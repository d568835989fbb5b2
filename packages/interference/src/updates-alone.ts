/**
 * Interference over many updates: what equation 1 of Uni-Perceiver-MoE asks of one small step of plain gradient descent,
 * asked of the steps that training takes. From a checkpoint the model goes on with one task alone, with the run's
 * optimizer as it stood, and then the losses of all tasks are looked at; all is undone, and the next task has its turn.
 *
 * Departs from the paper, whose metric is of first order. That leaves out what a task loses because steps of training
 * are long: in the curvature of its own loss, every long step of another task is a step away.
 *
 * T tasks · N rounds of each, and N batches of each that losses are taken on
 */
import { StateError, type Random } from '@polygate/core';
import { parameterGradients, type Optimizer, type ParameterSet, type ParameterState } from '@polygate/nn';
import type { Generalist } from '@polygate/generalist';
import type { TaskBatch } from '@polygate/tasks';
import * as tf from '@tensorflow/tfjs';
import { batchLoss } from './batch-gradients.ts';
import type { LossChanges } from './interference-matrix.ts';

/** The run's optimizer as the checkpoint holds it. */
export interface StoredOptimizer {
  /** A new one with the run's settings. */
  readonly create: (parameters: ParameterSet) => Optimizer;
  /** Of the checkpoint's step; it stays. */
  readonly learningRate: number;
  /** Largest global norm of gradients. */
  readonly clipNorm?: number | undefined;
  /** Borrowed. */
  readonly state: ReadonlyMap<string, ParameterState>;
}

export interface UpdatesAloneOptions {
  /** [T][N] batches that losses are taken on. Borrowed. */
  readonly batches: readonly (readonly TaskBatch[])[];
  /** The batch of one update. */
  readonly next: (
    task: number,
    at: { readonly round: number; readonly update: number },
  ) => Promise<TaskBatch>;
  /** Factors of the tasks' losses in training. */
  readonly lossWeights: readonly number[];
  /** Updates in a row on one task. */
  readonly updates: number;
  readonly optimizer: StoredOptimizer;
  /** Of noise and drop path; forked for every update. */
  readonly random: Random;
  readonly signal?: AbortSignal | undefined;
  /** Called after each round with how many are done of how many. */
  readonly progress?: ((done: number, all: number) => void) | undefined;
}

const meanLosses = async (
  model: Generalist,
  batches: readonly (readonly TaskBatch[])[],
): Promise<readonly (readonly number[])[]> => {
  const losses: number[][] = [];
  for (const taskBatches of batches) {
    const row: number[] = [];
    for (const batch of taskBatches) row.push(await batchLoss(model, batch));
    losses.push(row);
  }
  return losses;
};

/**
 * Loss changes by rounds of updates on one task. The weights are afterwards what they were, bit for bit, also when
 * something throws.
 * @throws StateError when the signal aborts or a gradient is not finite
 */
export const updatesAlone = async (model: Generalist, options: UpdatesAloneOptions): Promise<LossChanges> => {
  const { batches, next, updates, lossWeights, random, signal, progress } = options;
  const { create, learningRate, clipNorm, state } = options.optimizer;
  const { parameters } = model;
  const tasks = batches.length;
  const count = batches[0]?.length ?? 0;
  const before = await Promise.all(
    parameters.specs.map(async ({ name }) => ({ name, values: await parameters.read(name) })),
  );
  const undo = (): void => {
    for (const { name, values } of before) parameters.write(name, values);
    model.clearCaches();
  };
  const update = async (optimizer: Optimizer, batch: TaskBatch, draw: { task: number; random: Random }) => {
    const { loss, gradients } = parameterGradients(parameters, () => {
      const made = model.loss(batch, { training: true, random: draw.random }).loss;
      return tf.mul(made, lossWeights[draw.task] ?? 1);
    });
    try {
      await optimizer.step(gradients, { learningRate, ...(clipNorm === undefined ? {} : { clipNorm }) });
    } finally {
      tf.dispose([loss, gradients]);
    }
    model.clearCaches();
  };

  const values = new Float64Array(tasks * tasks * count * count).fill(NaN);
  try {
    const start = await meanLosses(model, batches);
    for (let j = 0; j < tasks; j += 1) {
      for (let round = 0; round < count; round += 1) {
        using optimizer = create(parameters);
        optimizer.restore(state);
        for (let k = 0; k < updates; k += 1) {
          if (signal?.aborted) {
            throw new StateError(
              'interference: stopped before all updates were made; the weights are as they were, run it again',
            );
          }
          const updateRandom = random.fork(`${j}`).fork(round).fork(k);
          await update(optimizer, await next(j, { round, update: k }), { task: j, random: updateRandom });
        }
        const now = await meanLosses(model, batches);
        for (let i = 0; i < tasks; i += 1) {
          for (let b = 0; b < count; b += 1) {
            const change = (start[i]?.[b] ?? NaN) - (now[i]?.[b] ?? NaN);
            values[((i * tasks + j) * count + b) * count + round] = change;
          }
        }
        undo();
        progress?.(j * count + round + 1, tasks * count);
      }
    }
  } finally {
    undo();
  }
  return { tasks, batches: count, values };
};
