/**
 * Gradients of one update: the mean over the batches that are accumulated.
 */
import type { Random } from '@polygate/core';
import { parameterGradients, type ParameterSet } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import type { LossContext, LossResult } from './run-options.ts';

/** What {@link accumulateGradients} works on. */
export interface UpdateInput<Batch> {
  readonly parameters: ParameterSet;
  readonly batches: readonly Batch[];
  readonly loss: (batch: Batch, context: LossContext) => LossResult;
  readonly lossWeight: number;
  readonly step: number;
  readonly task: string;
  /** The step's own stream; each batch gets a fork of it. */
  readonly random: Random;
}

/** Gradients and values of one update. The caller frees the gradients. */
export interface UpdateGradients {
  readonly gradients: Record<string, tf.Tensor>;
  /** Mean loss, without the loss weight; may be NaN. */
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Of all batches, in their order. */
  readonly records: NonNullable<LossResult['records']>;
}

const addInto = (sums: Record<string, tf.Tensor>, more: Readonly<Record<string, tf.Tensor>>): void => {
  for (const [name, gradient] of Object.entries(more)) {
    const before = sums[name];
    if (!before) {
      sums[name] = gradient;
      continue;
    }
    sums[name] = tf.add(before, gradient);
    before.dispose();
    gradient.dispose();
  }
};

const readScalar = async (value: number | tf.Scalar): Promise<number> =>
  typeof value === 'number' ? value : ((await value.data())[0] ?? NaN);

/**
 * Forward and backward over every batch. A parameter that only some of the batches reach gets their sum divided by
 * the number of all of them, as if the others had a gradient of zero.
 */
export const accumulateGradients = async <Batch>(input: UpdateInput<Batch>): Promise<UpdateGradients> => {
  const { parameters, batches, step, task } = input;
  const factor = input.lossWeight / batches.length;
  const gradients: Record<string, tf.Tensor> = {};
  const metrics: Record<string, number> = {};
  const records: NonNullable<LossResult['records']>[number][] = [];
  const held: tf.Tensor[] = [];
  const hold = <T extends number | tf.Scalar>(value: T): T => {
    if (typeof value !== 'number') held.push(tf.keep(value));
    return value;
  };
  let loss = 0;
  try {
    for (const [part, batch] of batches.entries()) {
      // The tape carries the weighted share; what is reported is the loss as the task defines it.
      const results: LossResult[] = [];
      const context: LossContext = { random: input.random.fork(part), step, task };
      const { loss: share, gradients: own } = parameterGradients(parameters, () => {
        const result = input.loss(batch, context);
        results.push(result);
        hold(result.loss);
        Object.values(result.metrics ?? {}).forEach(hold);
        return tf.mul(result.loss, factor) as tf.Scalar;
      });
      held.push(share);
      addInto(gradients, own);
      for (const { loss: plain, metrics: recorded = {}, records: more = [] } of results) {
        records.push(...more);
        loss += (await readScalar(plain)) / batches.length;
        for (const [name, metric] of Object.entries(recorded)) {
          metrics[name] = (metrics[name] ?? 0) + (await readScalar(metric)) / batches.length;
        }
      }
      tf.dispose(held.splice(0));
    }
    return { gradients, loss, metrics, records };
  } catch (error) {
    tf.dispose(gradients);
    throw error;
  } finally {
    tf.dispose(held);
  }
};
