/**
 * The unified task's loss: an input picks its target among candidates by similarity of representations
 * (Uni-Perceiver-MoE, section 3.1; temperature and label smoothing as in its section 5).
 *
 * Axes: N queries · C candidates · D width. Rows of `queries` and `targets` have unit length, so their products are
 * cosines; `temperature` is the factor exp(s), already limited by whoever owns s.
 *
 * With sampled candidates the softmax runs over a sample, in which candidate c turns up with probability q(c).
 * Subtracting log q(c) from its logit makes the sampled softmax a consistent estimate of the whole one
 * (Bengio and Senécal 2008; Jean et al. 2015, section 3).
 */
import { ConfigError, ShapeError } from '@polygate/core';
import { hostTensor, softmaxCrossEntropy, type Labels } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';

/** Engines that read tensors at the price of a copy. */
const HOST_ENGINES: ReadonlySet<string> = new Set(['cpu', 'wasm', 'tensorflow']);

/** Settings of {@link similarityCrossEntropy}. */
export interface SimilarityCrossEntropyOptions {
  /** Share of the target's mass that is spread evenly over all candidates that count, in [0, 1). @default 0 */
  readonly labelSmoothing?: number;
  /** float32 [C]: log of each candidate's probability of being in the sample; borrowed. @default no correction */
  readonly logQ?: tf.Tensor1D;
  /**
   * [N, C], 1 where a candidate is no true negative of a query (it equals the query's target at another position);
   * such candidates leave the query's softmax, whatever their logits are. The query's own label always counts. Borrowed.
   * @default none
   */
  readonly exclude?: tf.Tensor2D;
  /**
   * float32 [N], none negative: weights of the queries in the mean; borrowed. Where reading them would stall the engine, a
   * negative one makes the loss NaN. Of a query of weight 0, such as padding,
   * neither logits nor label are looked at by loss or gradient, but the label must be a candidate. @default all 1
   */
  readonly weights?: tf.Tensor1D;
  /** Queries with this label have weight 0. @default none */
  readonly ignoreIndex?: number;
}

type Shaped = Pick<tf.Tensor, 'shape'>;

const shapeText = (tensor: Shaped): string => `[${tensor.shape.join(', ')}]`;

/** @throws ShapeError when `tensor` isn't of `shape` */
export const expectShape = (
  where: string,
  tensor: Shaped,
  expected: { readonly name: string; readonly shape: readonly number[]; readonly axes: string },
): void => {
  if (tensor.shape.join() === expected.shape.join()) return;
  throw new ShapeError(
    `${where}: expected ${expected.name} of shape ${expected.axes} = [${expected.shape.join(', ')}], got ${shapeText(tensor)}; check how the batch was collated`,
    { fields: { expected: expected.shape, got: tensor.shape } },
  );
};

/**
 * Scaled cosines of every query with every candidate.
 * @param queries float32 [N, D], rows of unit length; borrowed
 * @param targets float32 [C, D], rows of unit length; borrowed
 * @param temperature scalar factor of the cosines, above 0; borrowed
 * @returns float32 [N, C]; differentiable in all three
 * @throws ShapeError when the widths differ
 */
export const similarityLogits = (
  queries: tf.Tensor2D,
  targets: tf.Tensor2D,
  temperature: tf.Scalar,
): tf.Tensor2D => {
  if (queries.rank !== 2 || targets.rank !== 2 || queries.shape[1] !== targets.shape[1]) {
    throw new ShapeError(
      `similarityLogits: expected queries (N, D) and targets (C, D) of one width, got ${shapeText(queries)} and ${shapeText(targets)}; project both by the same head`,
      { fields: { queries: queries.shape, targets: targets.shape } },
    );
  }
  return tf.tidy(() => tf.mul(tf.matMul(queries, targets, false, true), temperature) as tf.Tensor2D);
};

/**
 * Candidates with the same key, for `exclude` and `sameMask`: int-like keys such as token hashes or target ids, or
 * texts.
 * @returns float32 [rowKeys.length, columnKeys.length], 1 where the keys are equal; the caller's
 */
export const equalityMask = <K extends string | number>(
  rowKeys: ArrayLike<K>,
  columnKeys: ArrayLike<K>,
): tf.Tensor2D => {
  const columns = new Map<K, number[]>();
  for (let c = 0; c < columnKeys.length; c += 1) {
    const key = columnKeys[c] as K;
    const column = columns.get(key);
    if (column) column.push(c);
    else columns.set(key, [c]);
  }
  const mask = new Float32Array(rowKeys.length * columnKeys.length);
  for (let r = 0; r < rowKeys.length; r += 1) {
    for (const c of columns.get(rowKeys[r] as K) ?? []) mask[r * columnKeys.length + c] = 1;
  }
  return tf.tensor2d(mask, [rowKeys.length, columnKeys.length]);
};

/** Logits of -Infinity where a candidate leaves the softmax; smoothing is then spread over those that stay. */
const withoutExcluded = (logits: tf.Tensor2D, labels: tf.Tensor1D, exclude: tf.Tensor2D): tf.Tensor2D => {
  // Not tf.oneHot: it refuses a single candidate, which is what a batch of one row has.
  const candidates = tf.range(0, logits.shape[1], 1, 'int32');
  const isLabel = tf.equal(tf.expandDims(labels, 1), candidates);
  return tf.where<tf.Tensor>(tf.logicalOr(isLabel, tf.equal(exclude, 0)), logits, -Infinity) as tf.Tensor2D;
};

const tensorOf = (labels: Labels): tf.Tensor1D =>
  labels instanceof tf.Tensor
    ? labels
    : hostTensor<tf.Rank.R1>(() => Int32Array.from(labels), [labels.length], 'int32');

/** @throws ConfigError naming the first weight below 0 */
const checkWeights = (where: string, weights: tf.Tensor1D): void => {
  if (!HOST_ENGINES.has(tf.getBackend())) return;
  const values = weights.dataSync();
  const row = values.findIndex((weight: number) => weight < 0);
  if (row < 0) return;
  throw new ConfigError(
    `${where}: expected weights of 0 or more, got ${values[row]} for query ${row}; a query of weight 0 does not count`,
    { fields: { row, weight: values[row] } },
  );
};

/** 0 with gradients of 0: the mean over nothing, which engines make NaN or any number of. */
export const lossOfNothing = (...inputs: tf.Tensor[]): tf.Scalar =>
  tf.customGrad(() => ({
    value: tf.scalar(0),
    gradFunc: () => inputs.map((input) => tf.zeros(input.shape)),
  }))(...inputs) as tf.Scalar;

/** Weights of the queries, 0 at the ignored ones; undefined where all count alike. */
const weightsOf = (
  labels: tf.Tensor1D,
  { weights, ignoreIndex }: SimilarityCrossEntropyOptions,
): tf.Tensor1D | undefined => {
  if (ignoreIndex === undefined) return weights;
  const counted = tf.cast(tf.notEqual(labels, ignoreIndex), 'float32') as tf.Tensor1D;
  return weights ? tf.mul(weights, counted) : counted;
};

/**
 * Mean cross-entropy of each query's label among the candidates: a mean over the sum of the weights, by which batches that
 * are accumulated should count. A query without a softmax (NaN or +Infinity among the candidates that count, or -Infinity
 * alone) makes the loss NaN.
 * @param logits float32 [N, C], of {@link similarityLogits}; borrowed
 * @param labels [N], index into the candidates or `ignoreIndex`; borrowed. Checked as by softmaxCrossEntropy: give them on
 * the host.
 * @returns float32 scalar, the caller's; 0 when there are no queries or their weights sum to 0
 * @throws ShapeError for shapes that don't go together and labels that are no candidates; ConfigError for smoothing out of
 * range and negative weights
 */
export const similarityCrossEntropy = (
  logits: tf.Tensor2D,
  labels: Labels,
  options: SimilarityCrossEntropyOptions = {},
): tf.Scalar => {
  const { labelSmoothing = 0, logQ, exclude, weights, ignoreIndex } = options;
  const where = 'similarityCrossEntropy';
  const [rows, candidates] = logits.shape;
  const shape = labels instanceof tf.Tensor ? labels.shape : [labels.length];
  expectShape(where, { shape }, { name: 'labels', shape: [rows], axes: '(N)' });
  if (logQ) expectShape(where, logQ, { name: 'logQ', shape: [candidates], axes: '(C)' });
  if (exclude) expectShape(where, exclude, { name: 'exclude', shape: [rows, candidates], axes: '(N, C)' });
  if (weights) expectShape(where, weights, { name: 'weights', shape: [rows], axes: '(N)' });
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new ConfigError(`${where}: expected labelSmoothing in [0, 1), got ${labelSmoothing}; 0.1 is usual`);
  }
  if (weights) checkWeights(where, weights);
  if (rows === 0) return lossOfNothing(logits);
  return tf.tidy(() => {
    const corrected = logQ ? (tf.sub(logits, logQ) as tf.Tensor2D) : logits;
    const settings = { labelSmoothing, ...(ignoreIndex === undefined ? {} : { ignoreIndex }) };
    const plain = !exclude && !weights && ignoreIndex === undefined;
    if (plain) return tf.mean(softmaxCrossEntropy(corrected, labels, settings)) as tf.Scalar;
    const classes = tensorOf(labels);
    const among = exclude ? withoutExcluded(corrected, classes, exclude) : corrected;
    const each = weightsOf(classes, options);
    if (!each) return tf.mean(softmaxCrossEntropy(among, labels, settings)) as tf.Scalar;
    // 0 times NaN is NaN: what has no weight is not looked at.
    const counts = tf.greater(each, 0);
    const counted = tf.where<tf.Tensor>(tf.expandDims(counts, 1), among, 0) as tf.Tensor2D;
    const losses = softmaxCrossEntropy(counted, labels, settings);
    const sum = tf.sum(each);
    // A batch of padding alone has a loss of 0. Where weights could not be read, one below 0 makes the loss NaN.
    const divisor = tf.where(tf.any(tf.less(each, 0)), Number.NaN, tf.where(tf.equal(sum, 0), 1, sum));
    return tf.sum(tf.mul(tf.where<tf.Tensor>(counts, losses, 0), tf.div(each, divisor))) as tf.Scalar;
  });
};
