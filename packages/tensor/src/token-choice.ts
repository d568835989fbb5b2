/**
 * Decisions of routers of tokens in one call, where the engine in use brings kernels for them: for hundreds of thousands
 * of tokens a step the host's loops cost as much as a good part of the products. No composition stands here: the twin is
 * the host code of @polygate/routers, which also says what is computed.
 *
 * N tokens · E experts · K chosen · M slots
 */
import type * as tf from '@tensorflow/tfjs';
import { hasKernel, present, runKernel } from './dispatch.ts';

/** Settings of {@link engineTokenChoice}. */
export interface TokenChoiceRule {
  readonly topK: number;
  readonly renormalize: boolean;
  /** Slots of an expert as a multiple of an even load; `dropless` serves every choice. */
  readonly capacityFactor: number | 'dropless';
  /** Who comes when slots are given: the i-th of N tokens is the one at (first + i * stride) mod N. */
  readonly order: { readonly first: number; readonly stride: number };
  /** Standard deviation of the noise on the logits, 0 for none. */
  readonly noise: number;
  /** Four 32-bit words of the noise's stream. */
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
  const own = present(tensor);
  const values = own.dataSync() as unknown as T;
  own.dispose();
  return values;
};

/** Whether the engine in use brings {@link engineTokenChoice} and its gradients. */
export const bringsTokenChoice = (): boolean =>
  hasKernel('PgTokenChoice') && hasKernel('PgTokenChoiceGrad') && hasKernel('PgRouterLossGrad');

/**
 * Only where {@link bringsTokenChoice} says so.
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
  const [gates, ...rest] = runKernel('PgTokenChoice', { logits, visible }, attributes);
  const [ids, weights, kept, probabilities, logSums, sums, wanted, slots] = rest;
  const totals = hostValues<Float32Array>(sums);
  const experts = totals.length - 1;
  return {
    gates: present(gates) as tf.Tensor2D,
    ids: present(ids) as tf.Tensor2D,
    weights: present(weights) as tf.Tensor2D,
    kept: present(kept) as tf.Tensor2D,
    probabilities: present(probabilities) as tf.Tensor2D,
    logSums: present(logSums) as tf.Tensor1D,
    importance: totals.subarray(0, experts),
    squares: totals[experts] ?? 0,
    wanted: hostValues(wanted),
    slots: present(slots) as tf.Tensor1D,
  };
};

/**
 * Gradient from the gates of {@link engineTokenChoice} to the logits.
 * @param dy float32 [N, E]; borrowed
 * @returns a new float32 tensor [N, E]
 */
export const engineTokenChoiceGradient = (
  dy: tf.Tensor2D,
  { ids, weights, kept, probabilities }: DecidedTokens,
  renormalize: boolean,
): tf.Tensor2D =>
  present(
    runKernel('PgTokenChoiceGrad', { dy, probabilities, ids, weights, kept }, { renormalize })[0],
  ) as tf.Tensor2D;

/** Settings of {@link engineRouterLossGradient}. */
export interface RouterLossUpstream {
  /** [E] share of the choices that fell on each expert. */
  readonly shares: ArrayLike<number>;
  /** Upstream gradients of the two losses. */
  readonly toBalance: number;
  readonly toZ: number;
  /** Tokens that are not padding. */
  readonly counted: number;
}

/**
 * Gradient of the balance and z losses of a router to its logits.
 * @returns a new float32 tensor [N, E]
 */
export const engineRouterLossGradient = (
  { probabilities, logSums }: Pick<EngineTokenChoice, 'probabilities' | 'logSums'>,
  { shares, ...upstream }: RouterLossUpstream,
): tf.Tensor2D => {
  const attributes = { ...upstream, shares: Array.from(shares) };
  return present(runKernel('PgRouterLossGrad', { probabilities, logSums }, attributes)[0]) as tf.Tensor2D;
};
