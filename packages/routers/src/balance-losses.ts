/**
 * Losses that keep routers of tokens healthy, over the N visible tokens of one router:
 *   balance = E sum_e f_e P_e, with f_e the share of choices that fell on expert e and P_e its mean probability
 *             (Switch Transformer, Fedus et al. 2021, Eq. 4 to 6): 1 when both are even, E when one expert takes all;
 *   z       = mean of (log sum_e exp z_e)^2 (ST-MoE, Zoph et al. 2022, Eq. 5): keeps logits small.
 * Choices count before any is dropped. The share f is a constant to the gradient; with K choices it counts all of them,
 * where the Switch Transformer has K = 1.
 *
 * N tokens · E experts
 */
import * as tf from '@tensorflow/tfjs';
import type { TokenChoices } from './token-choice.ts';

/** Both losses of one router, without coefficients, on the tape. */
export interface RouterLosses {
  readonly balance: tf.Scalar;
  readonly z: tf.Scalar;
}

/** Both losses of one router as numbers and on the tape. */
export interface RouterLoss {
  readonly balance: number;
  readonly z: number;
  /** [2] both, on the tape of the logits. */
  readonly pair: tf.Tensor1D;
}

/** The losses of a decision as numbers, and what their gradient needs of it. */
export interface LossValues {
  readonly balance: number;
  readonly z: number;
  /** [E] share of choices. */
  readonly shares: Float64Array;
}

/** Factors of the losses. */
export interface LossFactors {
  readonly balance: number;
  readonly z: number;
}

/**
 * The losses of a decision.
 * @param wanted [E] choices that fell on each expert
 * @param squares sum of the squares of the choices' logSums, where it is known
 */
export const lossValues = (choices: TokenChoices, wanted: Int32Array, squares?: number): LossValues => {
  const { experts, topK, importance, counted } = choices;
  const tokens = Math.max(1, counted);
  const shares = Float64Array.from(wanted, (count) => count / (tokens * topK));
  let balance = 0;
  for (let e = 0; e < experts; e += 1) balance += (shares[e] as number) * (importance[e] as number);
  // Rows of padding are zero.
  const sum = squares ?? choices.logSums.reduce((total, value) => total + value ** 2, 0);
  return { balance: (experts * balance) / tokens, z: sum / tokens, shares };
};

/** dL / dlogits [N, E] for upstream gradients of both losses. */
const lossGradient = (
  { experts, probabilities, logSums, counted }: TokenChoices,
  shares: Float64Array,
  [toBalance, toZ]: readonly [number, number],
): Float32Array => {
  const result = new Float32Array(probabilities.length);
  const tokens = Math.max(1, counted);
  const balanceScale = (toBalance * experts) / tokens;
  const zScale = (2 * toZ) / tokens;
  for (let n = 0, at = 0; n < logSums.length; n += 1, at += experts) {
    let mean = 0;
    for (let e = 0; e < experts; e += 1) mean += (probabilities[at + e] as number) * (shares[e] as number);
    const shift = zScale * (logSums[n] as number) - balanceScale * mean;
    for (let e = 0; e < experts; e += 1) {
      result[at + e] = (probabilities[at + e] as number) * (balanceScale * (shares[e] as number) + shift);
    }
  }
  return result;
};

/** Both losses [2] on the tape of the logits [N, E] that the choices were made from (a constant noise apart). */
export const lossPair = (logits: tf.Tensor2D, choices: TokenChoices, values: LossValues): tf.Tensor1D => {
  const op = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [{ shape }] = inputs as [tf.Tensor];
    const gradFunc = (dy: tf.Tensor): tf.Tensor => {
      const [toBalance = 0, toZ = 0] = dy.dataSync<'float32'>();
      return tf.tensor(lossGradient(choices, values.shares, [toBalance, toZ]), shape, 'float32');
    };
    return { value: tf.tensor1d([values.balance, values.z]), gradFunc };
  });
  return op(logits) as tf.Tensor1D;
};

/** Both losses of a router. */
export const routerLosses = ({ pair }: RouterLoss): RouterLosses =>
  tf.tidy(() => {
    const [balance, z] = tf.unstack(pair) as [tf.Scalar, tf.Scalar];
    return { balance, z };
  });

/** The losses of all routers of a forward with their factors, summed: one node of the tape. */
export const weightedRouterLoss = (losses: readonly RouterLoss[], factors: LossFactors): tf.Scalar => {
  const total = losses.reduce((sum, { balance, z }) => sum + factors.balance * balance + factors.z * z, 0);
  const op = tf.customGrad(() => ({
    value: tf.scalar(total),
    gradFunc: (dy: tf.Tensor): tf.Tensor[] => {
      const each = tf.mul(dy, tf.tensor1d([factors.balance, factors.z]));
      return losses.map(() => each.clone());
    },
  }));
  return op(...losses.map(({ pair }) => pair)) as tf.Scalar;
};
