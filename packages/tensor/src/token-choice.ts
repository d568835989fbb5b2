/**
 * Decisions of routers of tokens in one call, where the engine in use brings kernels for them: for hundreds of thousands
 * of tokens a step the host's loops cost as much as a good part of the products. No composition stands here: the twin is
 * the host code of @polygate/routers, which also says what is computed.
 *
 * N tokens · E experts · K chosen · M slots
 */
import * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel } from './dispatch.ts';

/** Settings of {@link engineTokenChoice}. */
export interface TokenChoiceRule {
  readonly topK: number;
  readonly renormalize: boolean;
  /** Slots of an expert as a multiple of an even load; `dropless` serves every choice. */
  readonly capacityFactor: number | 'dropless';
  /** The order in which slots are given: the i-th of N tokens is the one at (first + i * stride) mod N. */
  readonly order: { readonly first: number; readonly stride: number };
  /** Standard deviation of the noise on the logits, 0 for none. */
  readonly noise: number;
  /** Four 32-bit words of a stream for each sample, whose tokens follow each other; all have equally many. */
  readonly words: readonly number[];
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
  { topK, renormalize, capacityFactor, order, noise, words }: TokenChoiceRule,
): EngineTokenChoice => {
  const factor = capacityFactor === 'dropless' ? -1 : capacityFactor;
  const attributes = { topK, renormalize, capacityFactor: factor, ...order, noise, words };
  const [gates, ...rest] = offTape(() => runKernel('PgTokenChoice', { logits, visible }, attributes));
  const [ids, weights, kept, probabilities, logSums, sums, slots] = rest;
  const totals = hostValues<Float32Array>(sums);
  const experts = logits.shape[1];
  return {
    gates: present(gates) as tf.Tensor2D,
    ids: present(ids) as tf.Tensor2D,
    weights: present(weights) as tf.Tensor2D,
    kept: present(kept) as tf.Tensor2D,
    probabilities: present(probabilities) as tf.Tensor2D,
    logSums: present(logSums) as tf.Tensor1D,
    importance: totals.subarray(0, experts),
    squares: totals[experts] ?? 0,
    wanted: Int32Array.from(totals.subarray(experts + 1)),
    slots: present(slots) as tf.Tensor1D,
  };
};

/** What {@link decidedGates} counts and how. */
export interface DecidedGatesOptions {
  readonly renormalize: boolean;
  /** Balance and z loss of the decision. */
  readonly losses: readonly [balance: number, z: number];
  /** [E] share of the choices that fell on each expert; a constant to the gradient. */
  readonly shares: ArrayLike<number>;
  /** Tokens that are not padding. */
  readonly counted: number;
}

/** For `tf.registerGradient`: a node of two outputs, which a custom gradient can't be. */
export const decidedGatesGradient: tf.GradConfig = {
  kernelName: 'PgDecidedGates',
  inputsToSave: ['ids', 'weights', 'kept', 'probabilities', 'logSums'],
  gradFunc: (dys, [ids, weights, kept, probabilities, logSums], attributes) => {
    const [dy, losses] = dys as tf.Tensor[];
    const { renormalize, shares, counted } = attributes as unknown as DecidedGatesOptions;
    const inputs = { dy, losses, ids, weights, kept, probabilities, logSums };
    const [gradient] = runKernel('PgTokenChoiceGrad', inputs, {
      renormalize,
      shares: Array.from(shares),
      counted,
    });
    return { logits: () => present(gradient) };
  },
};

/**
 * The gates of a decision and its losses, on the tape of its logits: one node, whose gradient is one pass.
 * @param logits those that were decided on; borrowed
 * @returns gates [N, E] and the losses [2]
 */
export const decidedGates = (
  logits: tf.Tensor2D,
  { gates, ids, weights, kept, probabilities, logSums }: EngineTokenChoice,
  options: DecidedGatesOptions,
): { readonly gates: tf.Tensor2D; readonly losses: tf.Tensor1D } => {
  const inputs = { logits, ids, weights, kept, probabilities, logSums };
  // The gates are no input: they are what comes out, on the tape.
  const [decided, losses] = runKernel('PgDecidedGates', inputs, { ...options, gates });
  return { gates: present(decided) as tf.Tensor2D, losses: present(losses) as tf.Tensor1D };
};
