/**
 * The loss of any task: similarity of queries with candidates, scaled by the task family's learned temperature.
 *
 * N queries · C candidates · D width
 */
import type { Random } from '@polygate/core';
import { similarityCrossEntropy, similarityLogits, symmetricContrastive } from '@polygate/losses';
import type { TaskBatch } from '@polygate/tasks';
import * as tf from '@tensorflow/tfjs';
import { encodeFeatures } from './features.ts';
import type { Generalist } from './generalist.ts';

export interface TaskLossOptions {
  readonly training: boolean;
  /** Needed in training. */
  readonly random?: Random;
  /**
   * Outside training: compute everything anew and on the tape, as training does but without noise and drop path, so
   * that gradients of the loss as it is evaluated reach all parameters. Nothing is cached. @default false
   */
  readonly differentiable?: boolean;
}

export interface TaskLoss {
  /** Without the task's loss weight. */
  readonly loss: tf.Scalar;
  /** `accuracy`: share of queries whose best candidate of this batch is the right one. */
  readonly metrics: { readonly accuracy: tf.Scalar };
}

/**
 * Loss and accuracy of a batch; differentiable in all parameters that took part when `training` is set. In evaluation,
 * whole candidate sets come from the model's cache.
 * The scalars belong to the caller or the enclosing tidy.
 */
export const taskLoss = (model: Generalist, batch: TaskBatch, options: TaskLossOptions): TaskLoss => {
  const { training, random, differentiable = false } = options;
  const own = (label: string) => ({
    task: batch.task,
    ...(random ? { random: random.fork(label) } : {}),
    ...(differentiable ? { merged: false } : {}),
  });
  // Outside the tidy: features that are encoded for the cache outlive this call.
  const cached =
    !training && !differentiable && batch.targets.whole
      ? model.candidateFeatures(batch.targets, batch.task)
      : undefined;
  const result = tf.tidy(() => {
    const queries = encodeFeatures(model, batch.inputs, {
      training,
      queries: batch.queries,
      ...own('inputs'),
    });
    const targets = cached ?? encodeFeatures(model, batch.targets.sequences, { training, ...own('targets') });
    const temperature = model.encoder.temperature(batch.temperature);
    const labels = tf.tensor1d(batch.labels, 'int32');
    const logits = similarityLogits(queries, targets, temperature);
    const { labelSmoothing } = batch;
    const right = tf.equal(tf.argMax(logits, 1), labels);
    const accuracy = tf.mean(tf.cast(right, 'float32')) as tf.Scalar;
    if (batch.loss === 'contrastive') {
      const count = batch.labels.length;
      const sameMask = batch.same
        ? { sameMask: tf.tensor2d(Float32Array.from(batch.same), [count, count]) }
        : {};
      const loss = symmetricContrastive(queries, targets, temperature, { labelSmoothing, ...sameMask });
      return { loss, accuracy };
    }
    const { logQ } = batch.targets;
    const loss = similarityCrossEntropy(logits, labels, {
      labelSmoothing,
      ...(logQ ? { logQ: tf.tensor1d(logQ) } : {}),
    });
    return { loss, accuracy };
  });
  return { loss: result.loss, metrics: { accuracy: result.accuracy } };
};

/** Samples and encoder positions of a batch, for rates: prefix and padding count, as they cost the same. */
export const measureTaskBatch = (
  batch: TaskBatch,
): { readonly samples: number; readonly tokens: number } => ({
  samples: batch.inputs.size,
  tokens:
    batch.inputs.size * batch.inputs.length + batch.targets.sequences.size * batch.targets.sequences.length,
});
