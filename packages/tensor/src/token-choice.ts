/**
 * Decisions of routers of tokens in one call, where the engine in use brings kernels for them: for hundreds of thousands
 * of tokens a step the host's loops cost as much as a good part of the products. No composition stands here: the twin is
 * the host code of @polygate/routers, which also says what is computed.
 *
 * N tokens · E experts · K most chosen of one · M slots · T positions of a sequence
 */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel } from './dispatch.ts';

/**
 * What is summed up for each expert over tokens: the `gates` before any is dropped, or the `chances` to be among the chosen
 * were the noise of that expert drawn anew (Shazeer et al. 2017, Eq. 6 and 8 to 10; without noise they are counts).
 */
export type ExpertSum = 'gates' | 'chances';

/** Settings of {@link engineTokenChoice}. */
export interface TokenChoiceRule {
  readonly topK: number;
  /** [T] experts that the token at each position of a sequence chooses, at most topK. @default topK for all */
  readonly topKs?: readonly number[] | undefined;
  /** Least number of choices whose gates are divided by their sum. */
  readonly divideFrom: number;
  /** Slots of an expert. */
  readonly capacity: number;
  /** The order in which slots are given: the i-th of N tokens is the one at (first + i * stride) mod N. */
  readonly order: { readonly first: number; readonly stride: number };
  /** Standard deviation of the noise on the logits, 0 for none. */
  readonly noise: number;
  /** Four 32-bit words of a stream for each sample, whose tokens follow each other; all have equally many. */
  readonly words: readonly number[];
  /** Sums for further losses. @default none */
  readonly sums?: readonly ExpertSum[] | undefined;
}

/** What the gradients of a decision need. */
export interface DecidedTokens {
  /** int32 [N, K], -1 at padding. */
  readonly ids: tf.Tensor2D;
  /** float32 [N, K] */
  readonly weights: tf.Tensor2D;
  /** bool [N, K], true at choices that got a slot. */
  readonly kept: tf.Tensor2D;
  /** float32 [N, E] */
  readonly probabilities: tf.Tensor2D;
  /** float32 [N, 2] noisy logits of the last chosen expert and of the first that is not; no tokens without `chances`. */
  readonly rivals: tf.Tensor2D;
  /** int32 [N] that first one, -1 where all are chosen; no tokens without `chances`. */
  readonly next: tf.Tensor1D;
  /** Standard deviation of the noise. */
  readonly noise: number;
}

/** What was decided. Tensors belong to the enclosing tidy; the few numbers that losses need are on the host. */
export interface EngineTokenChoice extends DecidedTokens {
  /** float32 [N, E]; 0 where an expert was not chosen or had no slot left. */
  readonly gates: tf.Tensor2D;
  /** float32 [N] */
  readonly logSums: tf.Tensor1D;
  /** [E] sums of the probabilities over tokens. */
  readonly importance: Float32Array;
  /** Sum of the squares of logSums. */
  readonly squares: number;
  /** [E] choices that fell on each expert. */
  readonly wanted: Int32Array;
  /** int32 [M] tokens of the slots by expert, ascending. */
  readonly slots: tf.Tensor1D;
  /** [E] each of the sums that were asked for. */
  readonly sums: Readonly<Partial<Record<ExpertSum, Float64Array>>>;
}

const hostValues = <T>(tensor: tf.Tensor | undefined): T => {
  const value = present(tensor);
  const values = value.dataSync() as unknown as T;
  value.dispose();
  return values;
};

/** Runs kernels that are no nodes of the tape: what they give is a constant to it. */
const offTape = <T>(run: () => T): T => {
  const { state } = tf.engine();
  state.kernelDepth += 1;
  try {
    return run();
  } finally {
    state.kernelDepth -= 1;
  }
};

/** Whether the engine in use brings {@link engineTokenChoice} and its gradients. */
export const bringsTokenChoice = (): boolean =>
  hasKernel('PgTokenChoice') && hasKernel('PgTokenChoiceGrad') && hasKernel('PgDecidedGates');

/**
 * Only where {@link bringsTokenChoice} says so. A constant to the tape: see {@link decidedGates}.
 * @param logits float32 [N, E]; borrowed
 * @param visible float32 [N] or [B, L], 0 at padding; borrowed
 */
export const engineTokenChoice = (
  logits: tf.Tensor2D,
  visible: tf.Tensor | undefined,
  { topK, topKs = [], divideFrom, capacity, order, noise, words, sums: wanted = [] }: TokenChoiceRule,
): EngineTokenChoice => {
  const [sumGates, sumChances] = [wanted.includes('gates'), wanted.includes('chances')];
  const counting = { topK, topKs, divideFrom, capacity, ...order };
  const attributes = { ...counting, noise, words, sumGates, sumChances };
  const [gates, ...rest] = offTape(() => runKernel('PgTokenChoice', { logits, visible }, attributes));
  const [ids, weights, kept, probabilities, logSums, numbers, slots, halves, rivals, next] = rest;
  const totals = hostValues<Float32Array>(numbers);
  const experts = logits.shape[1];
  // Doubles come as two int32 each, for tensors have no type for them; a copy of its own lies as doubles must.
  const doubles = new Float64Array(Int32Array.from(hostValues<Int32Array>(halves)).buffer);
  return {
    gates: present(gates) as tf.Tensor2D,
    ids: present(ids) as tf.Tensor2D,
    weights: present(weights) as tf.Tensor2D,
    kept: present(kept) as tf.Tensor2D,
    probabilities: present(probabilities) as tf.Tensor2D,
    logSums: present(logSums) as tf.Tensor1D,
    rivals: present(rivals) as tf.Tensor2D,
    next: present(next) as tf.Tensor1D,
    noise,
    importance: totals.subarray(0, experts),
    squares: totals[experts] ?? 0,
    wanted: Int32Array.from(totals.subarray(experts + 1)),
    slots: present(slots) as tf.Tensor1D,
    sums: {
      ...(sumGates ? { gates: doubles.subarray(0, experts) } : {}),
      ...(sumChances ? { chances: doubles.subarray(sumGates ? experts : 0) } : {}),
    },
  };
};

/** How a further loss follows the sums of each expert. */
export interface ExpertSlopes {
  readonly of: ExpertSum;
  /** [E] gradient of the loss to those sums. */
  readonly values: ArrayLike<number>;
}

/** What {@link decidedGates} counts and how. */
export interface DecidedGatesOptions {
  /** Least number of choices whose gates are divided by their sum. */
  readonly divideFrom: number;
  /** Balance and z loss of the decision, then further ones. */
  readonly losses: readonly number[];
  /** Of each further loss. */
  readonly slopes: readonly ExpertSlopes[];
  /** [E] share of the choices that fell on each expert; a constant to the gradient. */
  readonly shares: ArrayLike<number>;
  /** Tokens that are not padding. */
  readonly counted: number;
}

/** For `tf.registerGradient`: a node of two outputs, which a custom gradient can't be. */
export const decidedGatesGradient: tf.GradConfig = {
  kernelName: 'PgDecidedGates',
  inputsToSave: ['logits', 'ids', 'weights', 'kept', 'probabilities', 'logSums', 'rivals', 'next'],
  gradFunc: (dys, [logits, ids, weights, kept, probabilities, logSums, rivals, next], attributes) => {
    const [dy, losses] = dys as tf.Tensor[];
    const { divideFrom, slopes, shares, counted, noise } = attributes as unknown as DecidedGatesOptions &
      Pick<DecidedTokens, 'noise'>;
    const inputs = { dy, losses, logits, ids, weights, kept, probabilities, logSums, rivals, next };
    const [gradient] = runKernel('PgTokenChoiceGrad', inputs, {
      divideFrom,
      shares: Array.from(shares),
      counted,
      noise,
      slopes: slopes.flatMap(({ values }) => Array.from(values)),
      ofGates: slopes.map((slope) => Number(slope.of === 'gates')),
      ofChances: slopes.map((slope) => Number(slope.of === 'chances')),
    });
    return { logits: () => present(gradient) };
  },
};

/**
 * The gates of a decision and its losses, on the tape of its logits: one node, whose gradient is one pass.
 * @param logits those that were decided on; borrowed
 * @returns gates [N, E] and the losses, [2] and the further ones
 */
export const decidedGates = (
  logits: tf.Tensor2D,
  { gates, ids, weights, kept, probabilities, logSums, rivals, next, noise }: EngineTokenChoice,
  options: DecidedGatesOptions,
): { readonly gates: tf.Tensor2D; readonly losses: tf.Tensor1D } => {
  const inputs = { logits, ids, weights, kept, probabilities, logSums, rivals, next };
  // The gates are no input: they are what comes out, on the tape.
  const [decided, losses] = runKernel('PgDecidedGates', inputs, { ...options, noise, gates });
  return { gates: present(decided) as tf.Tensor2D, losses: present(losses) as tf.Tensor1D };
};
