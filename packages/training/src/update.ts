/**
 * Gradients of one update. Batches that are accumulated count by what their losses were averaged over: the gradient and
 * the losses are those of one batch of all their rows. (A loss that compares the rows of a batch with each other, such as
 * a contrastive one, compares those of each accumulated batch alone.)
 *
 * A mean is carried as mean and weight. Where the weights of all batches are known before the first is computed, each
 * mean counts by its share of their sum, those that other processes compute included.
 */
import { ConfigError, type BatchRandom, type PartExchange } from '@polygate/core';
import { parameterGradients, type ParameterSet } from '@polygate/nn';
import * as tf from '@tensorflow/tfjs';
import type { LossContext, LossResult, LossWeights } from './run-options.ts';
import type { StepReplays } from './step-replays.ts';

/** What {@link accumulateGradients} works on. */
export interface UpdateInput<Batch> {
  readonly parameters: ParameterSet;
  readonly batches: readonly Batch[];
  /** Those that other processes compute of the same update: they count in the sums of the weights. @default none */
  readonly others?: readonly Batch[];
  readonly loss: (batch: Batch, context: LossContext) => LossResult;
  readonly lossWeight: number;
  /** As in the options of a run. */
  readonly weights?: ((batch: Batch) => LossWeights) | undefined;
  readonly step: number;
  readonly task: string;
  /** Randomness of each batch. */
  readonly randoms: readonly BatchRandom[];
  /** Of each batch that is a part whose loss needs to know of the others. @default none */
  readonly exchanges?: readonly (PartExchange | undefined)[];
  /** Recordings of the run's steps. @default all are computed plainly */
  readonly replays?: StepReplays<Batch> | undefined;
}

/** Gradients and values of one update. The caller frees the gradients. */
export interface UpdateGradients {
  readonly gradients: Record<string, tf.Tensor>;
  /** Mean over all batches, without the loss weight; may be NaN. */
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

/** What a batch adds to a weighted sum; a mean over nothing, which may be NaN, adds nothing. */
const counted = (value: number, share: number): number => (share === 0 ? 0 : value * share);

const readScalar = async (value: number | tf.Scalar): Promise<number> =>
  typeof value === 'number' ? value : ((await value.data())[0] ?? NaN);

const checked = (weight: number, task: string): number => {
  if (weight >= 0 && weight < Infinity) return weight;
  throw new ConfigError(
    `train: expected the loss of task "${task}" to be a mean over a weight of at least 0, got ${weight}; give the number of rows or words that it is the mean of`,
    { fields: { task, weight } },
  );
};

/** By what a batch's mean of this name counts: a share of the sum, or a weight where the sum is not known yet. */
type Shares = (name: string) => number;

/** Shares of each batch in the sums of all; a mean over nothing at all has none. */
const knownShares = (all: readonly LossWeights[], task: string): readonly Shares[] => {
  const totals = new Map<string, number>();
  for (const weights of all) {
    for (const [name, weight] of Object.entries(weights)) {
      totals.set(name, (totals.get(name) ?? 0) + checked(weight, task));
    }
  }
  return all.map((weights) => (name) => {
    const weight = Object.hasOwn(weights, name) ? name : 'loss';
    const total = totals.get(weight) ?? 0;
    return total > 0 ? (weights[weight] ?? 0) / total : 0;
  });
};

/** The summands of a loss by name. */
const termsOf = ({ loss, terms }: LossResult): readonly (readonly [string, tf.Scalar])[] =>
  terms ? Object.entries(terms) : [['loss', loss]];

const divideAll = (gradients: Record<string, tf.Tensor>, divisor: number): void => {
  for (const [name, gradient] of Object.entries(gradients)) {
    gradients[name] = tf.div(gradient, divisor);
    gradient.dispose();
  }
};

/**
 * Forward and backward over every batch. A parameter that only some of the batches reach gets their part of the mean, as
 * if the others had a gradient of zero.
 * @throws ConfigError for a weight that is none
 */
export const accumulateGradients = async <Batch>(input: UpdateInput<Batch>): Promise<UpdateGradients> => {
  const { parameters, batches, others = [], step, task, lossWeight } = input;
  const alone = batches.length === 1 && others.length === 0;
  const weightShares =
    alone || !input.weights ? undefined : knownShares([...batches, ...others].map(input.weights), task);
  const gradients = Object.create(null) as Record<string, tf.Tensor>;
  const metrics = Object.create(null) as Record<string, number>;
  const records: NonNullable<LossResult['records']>[number][] = [];
  const held: tf.Tensor[] = [];
  const hold = <T extends number | tf.Scalar>(value: T): T => {
    if (typeof value !== 'number') held.push(tf.keep(value));
    return value;
  };
  /** Sum of the weights that results told. */
  let told = 0;
  let loss = 0;
  try {
    for (const [part, batch] of batches.entries()) {
      const random = input.randoms[part] as BatchRandom;
      const exchange = input.exchanges?.[part];
      const isReplayed = alone && !exchange;
      const replayed = isReplayed
        ? input.replays?.compute({ parameters, batch, random, step, task, lossWeight, loss: input.loss })
        : undefined;
      if (replayed) {
        held.push(replayed.loss, ...Object.values(replayed.metrics));
        addInto(gradients, replayed.gradients);
        loss = await readScalar(replayed.loss);
        for (const [name, metric] of Object.entries(replayed.metrics))
          metrics[name] = await readScalar(metric);
        continue;
      }
      const results: { readonly result: LossResult; readonly share: Shares }[] = [];
      const context: LossContext = { random, step, task, ...(exchange ? { exchange } : {}) };
      const { loss: scaled, gradients: taskGradients } = parameterGradients(parameters, () => {
        const result = input.loss(batch, context);
        const weight = alone || weightShares ? 1 : checked(result.weight ?? 1, task);
        const share = weightShares?.[part] ?? (() => weight);
        told += weight;
        results.push({ result, share });
        hold(result.loss);
        Object.values(result.terms ?? {}).forEach(hold);
        Object.values(result.metrics ?? {}).forEach(hold);
        // The tape carries the weighted share; what is reported is the loss as the task defines it.
        if (!weightShares) return tf.mul(result.loss, lossWeight * weight) as tf.Scalar;
        const shares = termsOf(result).map(([name, term]) => tf.mul(term, lossWeight * share(name)));
        return tf.addN(shares) as tf.Scalar;
      });
      held.push(scaled);
      addInto(gradients, taskGradients);
      for (const { result, share } of results) {
        records.push(...(result.records ?? []));
        for (const [name, term] of weightShares ? termsOf(result) : [['loss', result.loss] as const]) {
          loss += counted(await readScalar(term), share(name));
        }
        for (const [name, metric] of Object.entries(result.metrics ?? {})) {
          metrics[name] = (metrics[name] ?? 0) + counted(await readScalar(metric), share(name));
        }
      }
      tf.dispose(held.splice(0));
    }
    if (alone || weightShares || told === 0) return { gradients, loss, metrics, records };
    divideAll(gradients, told);
    for (const name of Object.keys(metrics)) metrics[name] = (metrics[name] ?? 0) / told;
    return { gradients, loss: loss / told, metrics, records };
  } catch (error) {
    tf.dispose(gradients);
    throw error;
  } finally {
    tf.dispose(held);
  }
};
