/**
 * Losses of supervised heads: cross-entropy over classes, one sigmoid for each of several labels, squared error of numbers.
 *
 * B batch · O outputs
 */
import {
  meanSquaredError,
  mixedCrossEntropy,
  multiLabelCrossEntropy,
  similarityCrossEntropy,
} from '@polygate/losses';
import type { TaskBatch } from '@polygate/tasks';
import * as tf from '@tensorflow/tfjs';

/** Names of the losses that heads are trained by. */
export const headLosses = ['cross-entropy', 'mixed-cross-entropy', 'multi-label', 'regression'] as const;

/** A loss, and the share of right answers where there are any. */
export interface HeadLoss {
  readonly loss: tf.Scalar;
  readonly accuracy?: tf.Scalar;
}

/** Share of rows or flags that are right. */
const shareOf = (hits: tf.Tensor): tf.Scalar => tf.mean(tf.cast(hits, 'float32'));

/** Classes of labels: ids of the candidates that they index. */
const classesOf = (labels: Int32Array, { targets }: TaskBatch): Int32Array =>
  labels.map((label) => targets.ids[label] as number);

/** Losses by name, each of outputs [B, O]. Call them inside a tidy. */
const losses: Readonly<Record<(typeof headLosses)[number], (y: tf.Tensor2D, batch: TaskBatch) => HeadLoss>> =
  {
    'cross-entropy': (outputs, batch) => {
      const classes = classesOf(batch.labels, batch);
      const { labelSmoothing } = batch;
      return {
        loss: similarityCrossEntropy(outputs, classes, { labelSmoothing }),
        accuracy: shareOf(tf.equal(tf.argMax(outputs, 1), tf.tensor1d(classes, 'int32'))),
      };
    },
    'mixed-cross-entropy': (outputs, batch) => {
      const { labelSmoothing, mixed } = batch;
      const labels = classesOf(batch.labels, batch);
      const others = mixed ? { ...mixed, labels: classesOf(mixed.labels, batch) } : undefined;
      const main = labels.map((label, i) =>
        (others?.shares[i] ?? 1) >= 0.5 ? label : (others?.labels[i] ?? label),
      );
      return {
        loss: others
          ? mixedCrossEntropy(outputs, { labels, mixed: others }, { labelSmoothing })
          : similarityCrossEntropy(outputs, labels, { labelSmoothing }),
        accuracy: shareOf(tf.equal(tf.argMax(outputs, 1), tf.tensor1d(main, 'int32'))),
      };
    },
    'multi-label': (outputs, { values = new Float32Array() }) => ({
      loss: multiLabelCrossEntropy(outputs, values),
      accuracy: shareOf(
        tf.equal(tf.greater(outputs, 0), tf.greater(tf.tensor2d(values, outputs.shape), 0.5)),
      ),
    }),
    regression: (outputs, { values = new Float32Array() }) => ({ loss: meanSquaredError(outputs, values) }),
  };

/** The loss that a batch names, which must be one of {@link headLosses}. */
export const headLoss = (outputs: tf.Tensor2D, batch: TaskBatch): HeadLoss =>
  losses[batch.loss as keyof typeof losses](outputs, batch);
