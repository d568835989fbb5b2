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
import { engineRouterLossGradient, type EngineTokenChoice } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { TokenChoices } from './token-choice.ts';

/** Both losses of one router, without coefficients. */
export interface RouterLosses {
  readonly balance: tf.Scalar;
  readonly z: tf.Scalar;
}

interface LossValues {
  readonly balance: number;
  readonly z: number;
  /** [E] share of choices. */
  readonly shares: Float64Array;
}

/** What the losses of a router count besides its choices. */
export interface LossCounts {
  /** [E] choices that fell on each expert. */
  readonly wanted: Int32Array;
  /** The decision, where an engine made it. */
  readonly decided?: EngineTokenChoice;
}

const lossValues = (choices: TokenChoices, { wanted, decided }: LossCounts): LossValues => {
  const { experts, topK, importance, counted } = choices;
  const tokens = Math.max(1, counted);
  const shares = Float64Array.from(wanted, (count) => count / (tokens * topK));
  let balance = 0;
  for (let e = 0; e < experts; e += 1) balance += (shares[e] as number) * (importance[e] as number);
  // Rows of padding are zero.
  const squares = decided?.squares ?? choices.logSums.reduce((sum, value) => sum + value ** 2, 0);
  return { balance: (experts * balance) / tokens, z: squares / tokens, shares };
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

/** Both losses on the tape of `logits` [N, E], which the choices were made from (a constant noise apart). */
export const routerLosses = (
  logits: tf.Tensor2D,
  choices: TokenChoices,
  counts: LossCounts,
): RouterLosses => {
  const { balance, z, shares } = lossValues(choices, counts);
  const { decided } = counts;
  const op = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [{ shape }, save] = inputs as [tf.Tensor, tf.GradSaveFunc];
    if (decided) save([decided.probabilities, decided.logSums]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor => {
      const [toBalance = 0, toZ = 0] = dy.dataSync<'float32'>();
      if (!decided) return tf.tensor(lossGradient(choices, shares, [toBalance, toZ]), shape, 'float32');
      const [probabilities, logSums] = saved as [tf.Tensor2D, tf.Tensor1D];
      const upstream = { shares, toBalance, toZ, counted: choices.counted };
      return engineRouterLossGradient({ probabilities, logSums }, upstream);
    };
    return { value: tf.tensor1d([balance, z]), gradFunc };
  });
  return tf.tidy(() => {
    const [first, second] = tf.unstack(op(logits)) as [tf.Scalar, tf.Scalar];
    return { balance: first, z: second };
  });
};
