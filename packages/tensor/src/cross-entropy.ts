/**
 * Cross-entropy of a softmax against class labels, smoothed (Szegedy et al. 2016, section 7): the target puts 1 - s on the
 * label and s / A on each of the A classes whose logit is not -Infinity (usually all C).
 *   loss = -(1 - s) log p[label] - (s / A) sum log p[c] over those,  dlogits = dloss * (p - target).
 * Logits of -Infinity shut classes out: they have probability 0 and no gradient; a label that is shut out costs infinity.
 * A row with NaN or +Infinity, or of -Infinity alone, has no softmax: its loss and its gradient are NaN, those of other
 * rows are not touched. Axes: N rows · C classes.
 */
import { ConfigError, EngineError, ShapeError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel, withGradient } from './dispatch.ts';
import { hostTensor } from './recording.ts';
import { expectFloat, expectShape } from './shapes.ts';

/** Options of {@link softmaxCrossEntropy}. */
export interface CrossEntropyOptions {
  /** Probability mass spread over all classes that are not shut out, in [0, 1). @default 0 */
  readonly labelSmoothing?: number;
  /** Rows with this label have loss 0 and no gradient, whatever their logits are; -100 elsewhere. @default none */
  readonly ignoreIndex?: number;
}

/** Labels on the host, which are checked on every engine, or an int32 tensor. */
export type Labels = tf.Tensor1D | Int32Array | readonly number[];

const OPERATOR = 'softmaxCrossEntropy';

/** Engines that read tensors at the price of a copy. */
const HOST_ENGINES: ReadonlySet<string> = new Set(['cpu', 'wasm', 'tensorflow']);

/** @throws ShapeError naming the first label that is neither a class nor ignored */
const checkLabels = (labels: ArrayLike<number>, classes: number, ignoreIndex: number | undefined): void => {
  for (let row = 0; row < labels.length; row += 1) {
    const label = labels[row] as number;
    if ((label >= 0 && label < classes && Number.isInteger(label)) || label === ignoreIndex) continue;
    throw new ShapeError(
      `${OPERATOR}: expected labels in [0, ${classes}), got ${label} at row ${row}; are they of another set of classes? Rows that should not count have the label ignoreIndex`,
      { fields: { classes, label, row } },
    );
  }
};

/** Runs the engine's kernel; its error for a label that is no class becomes the one that all engines have. */
const runForward = (
  logits: tf.Tensor2D,
  labels: tf.Tensor1D,
  labelSmoothing: number,
): readonly tf.Tensor[] => {
  try {
    return runKernel('PgCrossEntropy', { logits, labels }, { labelSmoothing });
  } catch (error) {
    if (error instanceof EngineError) checkLabels(labels.dataSync(), logits.shape[1], undefined);
    throw error;
  }
};

/** [N, C], true at the label. Not tf.oneHot: it refuses a single class, and on wasm knows whole numbers only. */
const places = (labels: tf.Tensor1D, classes: number): tf.Tensor =>
  tf.equal(tf.expandDims(labels, 1), tf.range(0, classes, 1, 'int32'));

/** s / A of each row, [N, 1]. */
const shareOf = (shut: tf.Tensor, labelSmoothing: number): tf.Tensor =>
  tf.div(labelSmoothing, tf.sum(tf.cast(tf.logicalNot(shut), 'float32'), 1, true));

/** The portable forward. 0 times infinity is NaN, so terms are chosen. */
const compose = (
  logits: tf.Tensor2D,
  ids: tf.Tensor1D,
  labelSmoothing: number,
): { readonly loss: tf.Tensor; readonly probabilities: tf.Tensor; readonly shut?: tf.Tensor } => {
  const shifted = tf.sub(logits, tf.max(logits, 1, true));
  const logSum = tf.log(tf.sum(tf.exp(shifted), 1, true));
  const log = tf.sub(shifted, logSum);
  // Engines' own softmax of a row that has none may be any number.
  const probabilities = tf.add(tf.softmax(logits), tf.mul(logSum, 0));
  const atLabel = tf.sum(tf.where(places(ids, logits.shape[1]), log, 0), 1);
  const plain = tf.mul(atLabel, labelSmoothing - 1);
  if (labelSmoothing === 0) return { loss: plain, probabilities };
  const shut = tf.equal(log, -Infinity);
  const open = tf.mul(tf.where(shut, 0, log), shareOf(shut, labelSmoothing));
  return { loss: tf.sub(plain, tf.sum(open, 1)), probabilities, shut };
};

/** Gradient to the logits, [N, C]. */
const composeGradient = (
  dy: tf.Tensor,
  [probabilities, ids, shut]: readonly tf.Tensor[],
  labelSmoothing: number,
): tf.Tensor => {
  const p = present(probabilities);
  const hits = tf.cast(places(present(ids) as tf.Tensor1D, p.shape[1] ?? 1), 'float32');
  const toLabel = tf.sub(p, tf.mul(hits, 1 - labelSmoothing));
  const column = tf.expandDims(dy, 1);
  if (!shut) return tf.mul(toLabel, column);
  return tf.mul(tf.sub(toLabel, tf.where(shut, 0, shareOf(shut, labelSmoothing))), column);
};

/** Loss of each row for labels that are classes, as one node of the tape. */
const lossOf = (logits: tf.Tensor2D, labels: () => tf.Tensor1D, labelSmoothing: number): tf.Tensor1D =>
  withGradient([logits], (save) => {
    const ids = labels();
    if (hasKernel('PgCrossEntropy') && hasKernel('PgCrossEntropyGrad')) {
      const [loss, state, shares] = runForward(logits, ids, labelSmoothing);
      save([present(state), ids, ...(shares ? [shares] : [])]);
      return {
        value: present(loss),
        gradient: (dy, [savedState, savedIds, savedShares]) =>
          runKernel(
            'PgCrossEntropyGrad',
            { dy, state: savedState, labels: savedIds, shares: savedShares },
            { labelSmoothing },
          ),
      };
    }
    const { loss, probabilities, shut } = compose(logits, ids, labelSmoothing);
    save([probabilities, ids, ...(shut ? [shut] : [])]);
    return { value: loss, gradient: (dy, saved) => [composeGradient(dy, saved, labelSmoothing)] };
  }) as tf.Tensor1D;

/** Zeros [N]: without a row or a class nothing counts. Engines differ in what they make of it. */
const nothingCounts = (logits: tf.Tensor2D): tf.Tensor1D =>
  withGradient([logits], () => ({
    value: tf.zeros([logits.shape[0]]),
    gradient: () => [tf.zeros(logits.shape)],
  })) as tf.Tensor1D;

/**
 * @param logits float32 [N, C]; borrowed
 * @param labels [N], each in [0, C) or `ignoreIndex`; borrowed. On the host they are checked. A float tensor is too, and an int32 tensor where
 * that costs nothing; on a GPU, where reading it would stall the engine, a label that is no class makes its loss NaN.
 * @returns float32 [N], the loss of each row
 * @throws ShapeError also for logits of whole numbers and a label that is no class; ConfigError
 */
export const softmaxCrossEntropy = (
  logits: tf.Tensor2D,
  labels: Labels,
  { labelSmoothing = 0, ignoreIndex }: CrossEntropyOptions = {},
): tf.Tensor1D => {
  expectShape(logits, [null, null], {
    operator: OPERATOR,
    name: 'logits',
    remedy: 'flatten the leading axes',
  });
  expectFloat(logits, { operator: OPERATOR, name: 'logits' });
  const [rows, classes] = logits.shape;
  const given = labels instanceof tf.Tensor ? labels : undefined;
  const shape = given ? given.shape : [(labels as ArrayLike<number>).length];
  expectShape({ rank: shape.length, shape }, [rows], {
    operator: OPERATOR,
    name: 'labels',
    remedy: 'give one label for each row of logits',
  });
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new ConfigError(
      `${OPERATOR}: expected labelSmoothing in [0, 1), got ${labelSmoothing}; 0.1 is usual`,
    );
  }
  // Floats would be cut to classes, so they are read wherever they are; so is what only ignored labels can be right for.
  const checked = HOST_ENGINES.has(tf.getBackend()) || given?.dtype === 'float32' || classes === 0;
  const host = given ? (checked ? given.dataSync() : undefined) : (labels as ArrayLike<number>);
  if (host) checkLabels(host, classes, ignoreIndex);
  if (rows === 0 || classes === 0) return nothingCounts(logits);
  const ids = (): tf.Tensor1D =>
    given
      ? (tf.cast(given, 'int32') as tf.Tensor1D)
      : hostTensor<tf.Rank.R1>(() => Int32Array.from(labels as ArrayLike<number>), [rows], 'int32');
  const ignores =
    ignoreIndex !== undefined && (host ? Array.prototype.includes.call(host, ignoreIndex) : true);
  if (!ignores) return lossOf(logits, ids, labelSmoothing);
  return tf.tidy(() => {
    const classIds = ids();
    const ignored = tf.equal(classIds, ignoreIndex);
    const column = tf.expandDims(ignored, 1);
    // The gradient of a choice is 0 at what was not chosen, so NaN in ignored rows stays there.
    const counted = tf.where<tf.Tensor>(column, 0, logits) as tf.Tensor2D;
    const classesOf = tf.where(ignored, tf.zerosLike(classIds), classIds);
    return tf.where<tf.Tensor>(
      ignored,
      0,
      lossOf(counted, () => classesOf.clone(), labelSmoothing),
    ) as tf.Tensor1D;
  });
};
