/**
 * Cross-entropy of a softmax against class labels, smoothed (Szegedy et al. 2016, section 7): the target puts
 * 1 - s + s / C on the label and s / C on every other class.
 *   loss = -(1 - s) log p[label] - (s / C) sum_c log p[c],  dlogits = dloss * (p - target).
 * Axes: N rows · C classes.
 */
import { ConfigError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel, withGradient } from './dispatch.ts';
import { expectShape } from './shapes.ts';

/** Options of {@link softmaxCrossEntropy}. */
export interface CrossEntropyOptions {
  /** Probability mass spread over all classes, in [0, 1). @default 0 */
  readonly labelSmoothing?: number;
}

/** 1 at the label; tf.oneHot refuses a single class, and on wasm knows whole numbers only. */
const places = (labels: tf.Tensor1D, classes: number): tf.Tensor2D =>
  classes === 1 ? tf.ones([labels.size, 1]) : (tf.cast(tf.oneHot(labels, classes), 'float32') as tf.Tensor2D);

/**
 * @param logits float32 [N, C]; borrowed
 * @param labels int32 [N], each in [0, C); borrowed. Labels are not checked: reading them would stall the engine.
 * @returns float32 [N], the loss of each row
 * @throws ShapeError, ConfigError
 */
export const softmaxCrossEntropy = (
  logits: tf.Tensor2D,
  labels: tf.Tensor1D,
  { labelSmoothing = 0 }: CrossEntropyOptions = {},
): tf.Tensor1D => {
  const operator = 'softmaxCrossEntropy';
  expectShape(logits, [null, null], { operator, name: 'logits', remedy: 'flatten the leading axes' });
  expectShape(labels, [logits.shape[0]], {
    operator,
    name: 'labels',
    remedy: 'give one label for each row of logits',
  });
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new ConfigError(
      `${operator}: expected labelSmoothing in [0, 1), got ${labelSmoothing}; 0.1 is usual`,
    );
  }
  const classes = logits.shape[1];
  const ids = labels.dtype === 'int32' ? labels : (tf.cast(labels, 'int32') as tf.Tensor1D);

  return withGradient([logits], (save) => {
    if (hasKernel('PgCrossEntropy') && hasKernel('PgCrossEntropyGrad')) {
      const [loss, state] = runKernel('PgCrossEntropy', { logits, labels: ids }, { labelSmoothing });
      save([present(state), ids]);
      return {
        value: present(loss),
        gradient: (dy, [savedState, savedIds]) =>
          runKernel('PgCrossEntropyGrad', { dy, state: savedState, labels: savedIds }, { labelSmoothing }),
      };
    }
    const shifted = tf.sub(logits, tf.max(logits, 1, true));
    const probabilities = tf.softmax(logits);
    const logSum = tf.log(tf.sum(tf.exp(shifted), 1));
    const atLabel = tf.sum(tf.mul(shifted, places(ids, classes)), 1);
    const overall = tf.mul(tf.sum(shifted, 1), labelSmoothing / classes);
    save([probabilities, ids]);
    return {
      value: tf.sub(logSum, tf.add(tf.mul(atLabel, 1 - labelSmoothing), overall)),
      gradient: (dy, [savedProbabilities, savedIds]) => {
        const hits = places(present(savedIds) as tf.Tensor1D, classes);
        const target = tf.add(tf.mul(hits, 1 - labelSmoothing), labelSmoothing / classes);
        return [tf.mul(tf.expandDims(dy, 1), tf.sub(present(savedProbabilities), target))];
      },
    };
  }) as tf.Tensor1D;
};
