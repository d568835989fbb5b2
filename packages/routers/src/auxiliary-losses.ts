/**
 * Auxiliary losses of routers of tokens by name. Two are always computed, in one node of the tape (and by engines that
 * bring kernels for it), over the N visible tokens of one router:
 *   balance = E sum_e f_e P_e, with f_e the share of choices that fell on expert e and P_e its mean probability
 *             (Switch Transformer, Fedus et al. 2021, Eq. 4 to 6): 1 when both are even, E when one expert takes all;
 *   z       = mean of (log sum_e exp z_e)^2 (ST-MoE, Zoph et al. 2022, Eq. 5): keeps logits small.
 * Choices count before any is dropped. The share f is a constant to the gradient; with K choices it counts all of them,
 * where the Switch Transformer has K = 1.
 *
 * Others are records in a registry (`importance` and `load` of Shazeer et al. 2017, and those of other packages). Where a
 * model asks for one, an engine that decides for tokens computes it if it is a function of sums over them (`sums` of the
 * record); else the router's decisions are made on the host.
 *
 * N tokens · E experts
 */
import { createRegistry } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import { auxiliaryLossShape, type AuxiliaryLoss } from './auxiliary-loss.ts';
import { importanceLoss, loadLoss } from './shazeer-losses.ts';
import type { TokenChoices } from './token-choice.ts';
import type { WholeCounts } from './whole-batch.ts';

/** Something of every loss by name; the first two are always there. */
export type LossRecord<T> = { readonly balance: T; readonly z: T } & Readonly<Record<string, T>>;

/** Losses of one router by name, without factors, on the tape. */
export type RouterLosses = LossRecord<tf.Scalar>;

/** The losses of one router as numbers and on the tape. */
export interface RouterLoss {
  /** By name: balance, z, and then those that were asked for. */
  readonly values: LossRecord<number>;
  /** The same, in the order of `values`, on the tape of the logits. */
  readonly tensor: tf.Tensor1D;
}

/** The losses of a decision as numbers, and what their gradient needs of it. */
export interface LossValues {
  readonly balance: number;
  readonly z: number;
  /** [E] share of choices. */
  readonly shares: Float64Array;
}

/**
 * The losses of a decision.
 * @param counts choices that fell on each expert, [E], and all of them: of these tokens, or of more that they are a part of
 * @param squares sum of the squares of the choices' logSums, where it is known
 */
export const lossValues = (
  choices: TokenChoices,
  { wanted, total }: Pick<WholeCounts, 'wanted' | 'total'>,
  squares?: number,
): LossValues => {
  const { experts, importance, counted } = choices;
  const tokens = Math.max(1, counted);
  const shares = Float64Array.from(wanted, (count) => count / Math.max(1, total));
  let balance = 0;
  for (let e = 0; e < experts; e += 1) balance += (shares[e] as number) * (importance[e] as number);
  // Rows of padding are zero.
  const sum = squares ?? choices.logSums.reduce((squared, value) => squared + value ** 2, 0);
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

/** Names of the two that are always computed, in their order in a pair. */
const PAIR: readonly string[] = Object.freeze(['balance', 'z']);

const ofPair = (name: 'balance' | 'z', summary: string): AuxiliaryLoss => ({
  name,
  summary,
  evaluate({ choices }) {
    const wanted = new Int32Array(choices.experts);
    for (const e of choices.ids) if (e >= 0) wanted[e] = (wanted[e] ?? 0) + 1;
    const values = lossValues(choices, { wanted, total: choices.total });
    return {
      value: values[name],
      gradient: () => lossGradient(choices, values.shares, name === 'balance' ? [1, 0] : [0, 1]),
    };
  },
});

const losses = createRegistry<AuxiliaryLoss>(
  'auxiliary loss',
  [
    ofPair('balance', 'experts share the tokens evenly (Switch Transformer, Eq. 4 to 6)'),
    ofPair('z', 'small logits of the routers (ST-MoE, Eq. 5)'),
    importanceLoss,
    loadLoss,
  ],
  auxiliaryLossShape,
);

/**
 * Makes an auxiliary loss known under its name, for the whole process.
 * @returns the record
 * @throws ConfigError when the name is taken, or no name for a recipe, or (code `record`) a field is not as a loss's
 */
export const registerAuxiliaryLoss = <L extends AuxiliaryLoss>(loss: L): L => losses.register(loss);

/** The loss of a name. @throws ConfigError listing the known names */
export const auxiliaryLossNamed = (name: string): AuxiliaryLoss => losses.named(name);

/** Names of all auxiliary losses, those of this package first. */
export const auxiliaryLossNames = (): readonly string[] => losses.names();

/** The records among names that are not always computed. @throws ConfigError listing the known names */
export const furtherLosses = (names: readonly string[]): readonly AuxiliaryLoss[] =>
  names.filter((name) => !PAIR.includes(name)).map(auxiliaryLossNamed);

/** A further loss with its name, as a record evaluated it. */
export interface FurtherLoss extends ReturnType<AuxiliaryLoss['evaluate']> {
  readonly name: string;
}

/**
 * The losses of a decision of the host as one tensor on the tape of the logits [N, E] that the choices were made from (a
 * constant noise apart).
 */
export const hostLosses = (
  logits: tf.Tensor2D,
  {
    choices,
    values,
    further,
  }: {
    readonly choices: TokenChoices;
    readonly values: LossValues;
    readonly further: readonly FurtherLoss[];
  },
): tf.Tensor1D => {
  const op = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [{ shape }] = inputs as [tf.Tensor];
    const gradFunc = (dy: tf.Tensor): tf.Tensor => {
      const [toBalance = 0, toZ = 0, ...upstream] = dy.dataSync<'float32'>();
      const gradient = lossGradient(choices, values.shares, [toBalance, toZ]);
      for (const [i, factor] of upstream.entries()) {
        if (factor === 0) continue;
        const toLogits = further[i]?.gradient();
        toLogits?.forEach((value, at) => (gradient[at] = (gradient[at] as number) + factor * value));
      }
      return tf.tensor(gradient, shape, 'float32');
    };
    return { value: tf.tensor1d([values.balance, values.z, ...further.map(({ value }) => value)]), gradFunc };
  });
  return op(logits) as tf.Tensor1D;
};

/** The losses of a router by name. */
export const routerLosses = ({ values, tensor }: RouterLoss): RouterLosses =>
  tf.tidy(() => {
    const scalars = tf.unstack(tensor) as tf.Scalar[];
    const named = Object.keys(values).map((name, i) => [name, scalars[i] as tf.Scalar]);
    return Object.fromEntries(named) as RouterLosses;
  });

/**
 * The losses of all routers of a forward with their factors, summed: one node of the tape.
 * @param factors by name; a loss without one counts nothing
 */
export const weightedRouterLoss = (
  all: readonly RouterLoss[],
  factors: Readonly<Record<string, number>>,
): tf.Scalar => {
  const factorsOf = ({ values }: RouterLoss): readonly number[] =>
    Object.keys(values).map((name) => factors[name] ?? 0);
  const total = all.reduce(
    (sum, { values }) =>
      Object.entries(values).reduce((part, [name, value]) => part + (factors[name] ?? 0) * value, sum),
    0,
  );
  const op = tf.customGrad(() => ({
    value: tf.scalar(total),
    gradFunc: (dy: tf.Tensor): tf.Tensor[] =>
      all.map((loss) => tf.mul(dy, tf.tensor1d([...factorsOf(loss)]))),
  }));
  return op(...all.map(({ tensor }) => tensor)) as tf.Scalar;
};
