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

/** Both losses of one router, without coefficients, on the tape. */
export interface RouterLosses {
  readonly balance: tf.Scalar;
  readonly z: tf.Scalar;
}

/** The same as numbers, and what their gradients need. Tensors are those of the decision. */
export interface RouterLoss {
  readonly balance: number;
  readonly z: number;
  /** [N, E] on the tape. */
  readonly logits: tf.Tensor2D;
  readonly choices: TokenChoices;
  /** [E] share of choices. */
  readonly shares: Float64Array;
  /** The decision, where an engine made it. */
  readonly decided?: EngineTokenChoice | undefined;
}

/** Factors of the losses. */
export interface LossFactors {
  readonly balance: number;
  readonly z: number;
}

/**
 * The losses of a decision as numbers.
 * @param logits [N, E], which the choices were made from (a constant noise apart)
 * @param counts `wanted` [E] choices that fell on each expert; `decided` where an engine made the decision
 */
export const routerLoss = (
  logits: tf.Tensor2D,
  choices: TokenChoices,
  { wanted, decided }: { readonly wanted: Int32Array; readonly decided?: EngineTokenChoice | undefined },
): RouterLoss => {
  const { experts, topK, importance, counted } = choices;
  const tokens = Math.max(1, counted);
  const shares = Float64Array.from(wanted, (count) => count / (tokens * topK));
  let balance = 0;
  for (let e = 0; e < experts; e += 1) balance += (shares[e] as number) * (importance[e] as number);
  // Rows of padding are zero.
  const squares = decided?.squares ?? choices.logSums.reduce((sum, value) => sum + value ** 2, 0);
  return { balance: (experts * balance) / tokens, z: squares / tokens, logits, choices, shares, decided };
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

/** What the gradient of a loss needs of the tensors of its decision. */
const savedOf = ({ decided }: RouterLoss): tf.Tensor[] =>
  decided ? [decided.probabilities, decided.logSums] : [];

/** Gradient to the logits of one router. @param saved as {@link savedOf} */
const toLogits = (
  { logits, choices, shares, decided }: RouterLoss,
  [toBalance, toZ]: readonly [number, number],
  saved: readonly tf.Tensor[],
): tf.Tensor => {
  if (!decided) return tf.tensor(lossGradient(choices, shares, [toBalance, toZ]), logits.shape, 'float32');
  const [probabilities, logSums] = saved as readonly [tf.Tensor2D, tf.Tensor1D];
  const upstream = { shares, toBalance, toZ, counted: choices.counted };
  return engineRouterLossGradient({ probabilities, logSums }, upstream);
};

/** Both losses on the tape of the logits. */
export const routerLosses = (loss: RouterLoss): RouterLosses => {
  const op = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    (inputs[1] as tf.GradSaveFunc)(savedOf(loss));
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor => {
      const [toBalance = 0, toZ = 0] = dy.dataSync<'float32'>();
      return toLogits(loss, [toBalance, toZ], saved);
    };
    return { value: tf.tensor1d([loss.balance, loss.z]), gradFunc };
  });
  return tf.tidy(() => {
    const [first, second] = tf.unstack(op(loss.logits)) as [tf.Scalar, tf.Scalar];
    return { balance: first, z: second };
  });
};

/** The losses of all routers of a forward with their factors, summed: one node of the tape. */
export const weightedRouterLoss = (losses: readonly RouterLoss[], factors: LossFactors): tf.Scalar => {
  const total = losses.reduce((sum, { balance, z }) => sum + factors.balance * balance + factors.z * z, 0);
  const op = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    (inputs[losses.length] as tf.GradSaveFunc)(losses.flatMap(savedOf));
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[] => {
      const [upstream = 0] = dy.dataSync<'float32'>();
      let at = 0;
      return losses.map((loss) => {
        const own = saved.slice(at, (at += savedOf(loss).length));
        return toLogits(loss, [upstream * factors.balance, upstream * factors.z], own);
      });
    };
    return { value: tf.scalar(total), gradFunc };
  });
  return op(...losses.map(({ logits }) => logits)) as tf.Scalar;
};
