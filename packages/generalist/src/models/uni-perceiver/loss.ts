/**
 * The loss of any task: similarity of queries with candidates, scaled by the task family's learned temperature.
 *
 * N queries · C candidates · D width
 */
import { sharedRandom } from '@polygate/core';
import {
  conditionOf,
  createRoutingTrace,
  type Encoder,
  type RoutingTrace,
  type SiteReport,
} from '@polygate/encoder';
import {
  meanSquaredError,
  mixedCrossEntropy,
  multiLabelCrossEntropy,
  similarityCrossEntropy,
  similarityLogits,
  symmetricContrastive,
} from '@polygate/losses';
import type { SequenceBatch } from '@polygate/modalities';
import type { TaskBatch } from '@polygate/tasks';
import { hostTensor, l2Normalize } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { ClassHead } from '../../tuning/class-heads.ts';
import type { ModelLoss, ModelLossOptions } from '../model.ts';
import { gatherRows, wholeOf } from '../whole-batch.ts';
import type { ComparingModel } from './comparing-model.ts';
import { isTrained } from './routing.ts';
import { encodeFeatures } from './features.ts';
import { temperatureFactor } from './temperature.ts';

/** Losses of task batches that a similarity is trained by. */
export const lossNames = [
  'cross-entropy',
  'mixed-cross-entropy',
  'contrastive',
  'multi-label',
  'regression',
] as const;

/** Values of a batch. */
export type TaskMetrics = {
  /**
   * Share of queries whose best candidate of this batch is a right one; of captions that read the same each is right.
   * Equally good candidates share a query, in training against candidates of a set the first of them has it. Of several
   * labels the share of flags that are right; numbers have none.
   */
  readonly accuracy?: tf.Scalar;
} & Readonly<Partial<Record<'balance' | 'z' | 'auxiliary', tf.Scalar>>>;

/** What the means of a task's loss are taken over: see `taskWeights`. */
export interface TaskWeights extends Readonly<Record<string, number>> {
  /** Queries: masked tokens, tokens of captions, pairs or images. */
  readonly loss: number;
  /** Tokens of the inputs that are no padding, over which their routers' losses are means. */
  readonly inputs: number;
  /** The same of the targets. */
  readonly targets: number;
  /** For the metrics of that name: tokens of the inputs, as the targets are mostly the same in each batch. */
  readonly balance: number;
  readonly z: number;
  readonly auxiliary: number;
}

export interface TaskLoss extends Omit<ModelLoss, 'records'> {
  /**
   * Without the task's loss weight. In training of routers that look at tokens it includes their auxiliary losses; a
   * loss that is evaluated never does.
   */
  readonly loss: tf.Scalar;
  /**
   * In training of routers that look at tokens: the summands of `loss`, which are means over what `taskWeights`
   * says under their names.
   */
  readonly terms?: Readonly<Record<'loss' | 'inputs' | 'targets', tf.Scalar>>;
  /**
   * In training of routers that look at tokens, also the auxiliary losses (`balance`, `z`, ...) as means over
   * routers without factors, and `auxiliary`, what `loss` includes of them.
   */
  readonly metrics: TaskMetrics;
  /** What each router did in each forward; empty unless telemetry was wanted. */
  readonly reports: readonly SiteReport[];
}

/** The mean over a trace's forwards of each of their auxiliary losses; none without such forwards. */
const auxiliaryMetrics = ({ losses }: RoutingTrace): Omit<TaskMetrics, 'accuracy'> => {
  if (losses.length === 0) return {};
  const mean = (scalars: readonly tf.Scalar[]): tf.Scalar => tf.div(tf.addN([...scalars]), scalars.length);
  const names = Object.keys(losses[0]?.means ?? {});
  const byName = names.map((name) => {
    const scalars = losses.flatMap(({ means }) => means[name] ?? []);
    return [name, mean(scalars)] as const;
  });
  return { ...Object.fromEntries(byName), auxiliary: mean(losses.map(({ weighted }) => weighted)) };
};

/** Mean over queries of the share of right ones among their equally good best candidates. @param right [N, C] 0 or 1 */
const bestShare = (logits: tf.Tensor2D, right: tf.Tensor2D): tf.Scalar => {
  const best = tf.cast(tf.equal(logits, tf.max(logits, 1, true)), 'float32');
  return tf.mean(tf.div(tf.sum(tf.mul(best, right), 1), tf.sum(best, 1)));
};

const visibleTokens = ({ size, length, keyPadding }: SequenceBatch): number =>
  keyPadding ? keyPadding.reduce((sum, padding) => sum + (padding === 1 ? 0 : 1), 0) : size * length;

/** Queries of a batch; those that numbers are asked of have no labels. */
const queryCount = ({ labels, inputs, queries }: TaskBatch): number => {
  if (labels.length > 0) return labels.length;
  return queries === 'prefix' ? inputs.size : queries.length;
};

/**
 * What the means of a batch's loss are taken over, so that accumulated batches (or those of several processes) count as
 * one. Exact for cross-entropy. Of accumulated batches contrastive losses compare the pairs of each alone and count by pairs;
 * losses of routers are those of each batch's own choices and count by tokens. Processes that share a batch tell each other.
 */
export const taskWeights = (batch: TaskBatch): TaskWeights => {
  const { inputs, targets } = batch;
  const inputTokens = visibleTokens(inputs);
  const others = visibleTokens(targets.sequences);
  return {
    loss: queryCount(batch),
    inputs: inputTokens,
    targets: others,
    balance: inputTokens,
    z: inputTokens,
    auxiliary: inputTokens,
  };
};

/** The label of each query that has the larger share. */
const mainLabels = ({ labels, mixed }: Pick<TaskBatch, 'labels' | 'mixed'>): Int32Array =>
  mixed
    ? labels.map((label, i) => ((mixed.shares[i] ?? 1) >= 0.5 ? label : (mixed.labels[i] ?? label)))
    : labels;

/**
 * Numbers by scaled similarities: logits of labels, or the numbers themselves, which lie within the temperature's factor.
 * @param logits [N, C]
 */
const comparedValues = (
  logits: tf.Tensor2D,
  values: Float32Array,
  loss: string,
): { readonly loss: tf.Scalar; readonly accuracy?: tf.Scalar } => {
  if (loss === 'regression') return { loss: meanSquaredError(logits, values) };
  const flags = hostTensor<tf.Rank.R2>(() => values, logits.shape);
  const hits = tf.equal(tf.greater(logits, 0), tf.greater(flags, 0.5));
  return {
    loss: multiLabelCrossEntropy(logits, values),
    accuracy: tf.mean(tf.cast(hits, 'float32')),
  };
};

/** The loss of compared features without anything auxiliary, and the accuracy. Call it inside a tidy. */
const compared = (
  batch: TaskBatch,
  features: {
    /** Of unit length, unless there is a head. */
    readonly queries: tf.Tensor2D;
    readonly targets: tf.Tensor2D;
    readonly training: boolean;
    readonly head: ClassHead | undefined;
  },
  temperature: tf.Scalar,
): { readonly loss: tf.Scalar; readonly accuracy?: tf.Scalar } => {
  const { queries, targets, training, head } = features;
  const { labelSmoothing, values } = batch;
  const similarities = similarityLogits(head ? l2Normalize(queries) : queries, targets, temperature);
  const logits = head ? head.mix(queries, similarities) : similarities;
  if (values) return comparedValues(logits, values, batch.loss);
  const labels = hostTensor<tf.Rank.R1>(() => mainLabels(batch), [batch.labels.length], 'int32');
  // Not tf.oneHot: it refuses a single candidate, which is what a batch of one pair has.
  const labelMask = (): tf.Tensor2D => {
    const candidates = tf.range(0, logits.shape[1], 1, 'int32');
    return tf.cast(tf.equal(tf.expandDims(labels, 1), candidates), 'float32') as tf.Tensor2D;
  };
  if (batch.loss === 'contrastive') {
    const count = batch.labels.length;
    const pairs = batch.same;
    const same = pairs && hostTensor<tf.Rank.R2>(() => Float32Array.from(pairs), [count, count]);
    const sameMask = same ? { sameMask: same } : {};
    const accuracy = bestShare(logits, same ? tf.add(labelMask(), same) : labelMask());
    const loss = symmetricContrastive(queries, targets, temperature, { labelSmoothing, ...sameMask });
    return { loss, accuracy };
  }
  // A training step passes over the vocabulary once for its accuracy.
  const accuracy = training
    ? (tf.mean(tf.cast(tf.equal(tf.argMax(logits, 1), labels), 'float32')) as tf.Scalar)
    : bestShare(logits, labelMask());
  const { logQ } = batch.targets;
  const settings = {
    labelSmoothing,
    ...(logQ ? { logQ: hostTensor<tf.Rank.R1>(() => logQ, [logQ.length]) } : {}),
  };
  const loss = batch.mixed
    ? mixedCrossEntropy(logits, { labels: batch.labels, mixed: batch.mixed }, settings)
    : similarityCrossEntropy(logits, batch.labels, settings);
  return { loss, accuracy };
};

/** Whether routers of tokens have losses, which are those of all tokens of a batch together. */
const balancesTokens = (encoder: Encoder): boolean => {
  const { moe } = isTrained(encoder) ? encoder.config : {};
  return (moe?.groups ?? []).some(
    (group) =>
      !conditionOf(group, moe as NonNullable<typeof moe>).dataIndependent &&
      Object.values(group.losses).some((factor) => factor !== 0),
  );
};

/** By what the losses of a part's routers count among those of the whole batch. */
const shareOf = (batch: TaskBatch, label: 'inputs' | 'targets'): number =>
  taskWeights(batch)[label] / Math.max(1, taskWeights(batch.whole ?? batch)[label]);

/**
 * Whether the loss of a part must know of the other parts: pairs are compared with all others, and tokens share experts. An
 * adapter leaves routers as they are.
 */
export const needsWhole = ({ encoder, adapter }: ComparingModel, { loss }: TaskBatch): boolean =>
  loss === 'contrastive' || (!adapter && balancesTokens(encoder));

/**
 * Loss and accuracy of a batch; differentiable in all parameters that took part when `training` is set. In evaluation,
 * whole candidate sets come from the model's cache.
 * The scalars belong to the caller or the enclosing tidy.
 */
export const taskLoss = (model: ComparingModel, batch: TaskBatch, options: ModelLossOptions): TaskLoss => {
  const { training, random, differentiable = false, telemetry = false, topK, rowWeights, exchange } = options;
  const routing = training ? createRoutingTrace({ telemetry }) : undefined;
  /** Pairs have a target each; other targets are candidates, which are no sample's. */
  const isPaired = batch.loss === 'contrastive';
  const encodeOptions = (label: 'inputs' | 'targets') => ({
    training,
    side: label,
    task: batch.task,
    ...(random
      ? { random: isPaired || label === 'inputs' ? random.fork(label) : sharedRandom(random.fork(label)) }
      : {}),
    ...(differentiable ? { merged: false } : {}),
    ...(routing ? { routing } : {}),
    ...(topK ? { topK } : {}),
    ...(rowWeights ? { rowWeights } : {}),
    // Candidates are the same on every process, and so is what their routers do.
    ...(isPaired || label === 'inputs' ? wholeOf(exchange, label, shareOf(batch, label)) : {}),
  });
  const { adapter } = model;
  const head = batch.loss === 'contrastive' ? undefined : adapter?.headOf(batch.task, batch.targets);
  const sequences = adapter?.sequencesOf(batch.task, batch.targets) ?? batch.targets.sequences;
  // Outside the tidy: features that are encoded for the cache outlive this call. They are those of the configured choice.
  const cached =
    !training && !differentiable && !topK && batch.targets.whole
      ? model.candidateFeatures(batch.targets, batch.task)
      : undefined;
  const { loss, terms, ...metrics } = tf.tidy((): TaskMetrics & Pick<TaskLoss, 'loss' | 'terms'> => {
    const queries = encodeFeatures(model, batch.inputs, {
      queries: batch.queries,
      unit: head === undefined,
      ...encodeOptions('inputs'),
    });
    const targets = cached ?? encodeFeatures(model, sequences, encodeOptions('targets'));
    const result = compared(
      isPaired && exchange?.isRehearsal === false ? (batch.whole ?? batch) : batch,
      {
        ...{ training, head },
        queries: isPaired ? gatherRows(queries, exchange, 'queries') : queries,
        targets: isPaired ? gatherRows(targets, exchange, 'targets') : targets,
      },
      // What trains a model's own weights trains its temperature, too, which must be there.
      training && !adapter
        ? model.encoder.temperature(batch.temperature)
        : temperatureFactor(model, batch.temperature),
    );
    const [first, second] = routing?.losses ?? [];
    // Routers that an adapter leaves as they are need no loss of their own.
    if (!routing || !first || !second || adapter) return result;
    const auxiliary = auxiliaryMetrics(routing);
    const share = ({ weighted }: typeof first): tf.Scalar => tf.div(weighted, routing.losses.length);
    const summands = { loss: result.loss, inputs: share(first), targets: share(second) };
    return { ...result, ...auxiliary, loss: tf.addN(Object.values(summands)), terms: summands };
  });
  const reports = routing?.reports ?? [];
  return { loss, weight: queryCount(batch), ...(terms ? { terms } : {}), metrics, reports };
};

/** Samples and encoder positions of a batch, for rates: prefix and padding count, as they cost the same. */
export const measureTaskBatch = (
  batch: TaskBatch,
): { readonly samples: number; readonly tokens: number } => ({
  samples: batch.inputs.size,
  tokens:
    batch.inputs.size * batch.inputs.length + batch.targets.sequences.size * batch.targets.sequences.length,
});
