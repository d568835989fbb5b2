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
  /** Who comes when slots are given: the i-th of N tokens is the one at (first + i * stride) mod N. */
  readonly order: { readonly first: number; readonly stride: number };
  /** Standard deviation of the noise on the logits, 0 for none. */
  readonly noise: number;
  /** Four 32-bit words of the noise's stream. */
  readonly words: readonly number[];
}

/** What was decided, on the host but for the gates. */
export interface EngineTokenChoice {
  /** float32 [N, E]; 0 where an expert was not chosen or had no slot left. Belongs to the enclosing tidy. */
  readonly gates: tf.Tensor2D;
  /** [N, K], -1 at padding. */
  readonly ids: Int32Array;
  /** [N, K] */
  readonly weights: Float32Array;
  /** [N, K] 1 at choices that got a slot. */
  readonly kept: Uint8Array;
  /** [N, E] */
  readonly probabilities: Float32Array;
  /** [N] */
  readonly logSums: Float32Array;
  /** [E] */
  readonly importance: Float32Array;
  /** [E] choices that fell on each expert. */
  readonly wanted: Int32Array;
  /** [M] tokens of the slots by expert, ascending. */
  readonly slots: Int32Array;
}

const hostValues = <T>(tensor: tf.Tensor | undefined): T => {
  const own = present(tensor);
  const values = own.dataSync() as unknown as T;
  own.dispose();
  return values;
};

/** Whether the engine in use brings {@link engineTokenChoice}. */
export const bringsTokenChoice = (): boolean => hasKernel('PgTokenChoice');

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
  const [ids, weights, kept, probabilities, logSums, importance, wanted, slots] = rest;
  return {
    gates: present(gates) as tf.Tensor2D,
    ids: hostValues(ids),
    weights: hostValues(weights),
    kept: hostValues(kept),
    probabilities: hostValues(probabilities),
    logSums: hostValues(logSums),
    importance: hostValues(importance),
    wanted: hostValues(wanted),
    slots: hostValues(slots),
  };
};

/** What a gradient needs of a decision, host or engine. */
export interface DecidedTokens {
  readonly ids: Int32Array;
  readonly weights: Float32Array;
  readonly kept: Uint8Array;
  readonly probabilities: Float32Array;
}

/**
 * Gradient from the gates of {@link engineTokenChoice} to the logits.
 * @param dy float32 [N, E]; borrowed
 * @returns a new float32 tensor [N, E], or undefined where the engine in use has no kernel for it
 */
export const engineTokenChoiceGradient = (
  dy: tf.Tensor2D,
  { ids, weights, kept, probabilities }: DecidedTokens,
  renormalize: boolean,
): tf.Tensor2D | undefined => {
  if (!hasKernel('PgTokenChoiceGrad')) return undefined;
  const shape: [number, number] = [dy.shape[0], ids.length / Math.max(1, dy.shape[0])];
  return tf.tidy(() => {
    const inputs = {
      dy,
      probabilities: tf.tensor2d(probabilities, dy.shape),
      ids: tf.tensor2d(ids, shape, 'int32'),
      weights: tf.tensor2d(weights, shape),
      kept: tf.tensor2d(kept, shape, 'bool'),
    };
    return present(runKernel('PgTokenChoiceGrad', inputs, { renormalize })[0]) as tf.Tensor2D;
  });
};

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
 * @returns a new float32 tensor [N, E], or undefined where the engine in use has no kernel for it
 */
export const engineRouterLossGradient = (
  { probabilities, logSums }: Pick<EngineTokenChoice, 'probabilities' | 'logSums'>,
  { shares, ...upstream }: RouterLossUpstream,
): tf.Tensor2D | undefined => {
  if (!hasKernel('PgRouterLossGrad')) return undefined;
  return tf.tidy(() => {
    const inputs = {
      probabilities: tf.tensor2d(probabilities, [logSums.length, shares.length]),
      logSums: tf.tensor1d(logSums),
    };
    const attributes = { ...upstream, shares: Array.from(shares) };
    return present(runKernel('PgRouterLossGrad', inputs, attributes)[0]) as tf.Tensor2D;
  });
};
