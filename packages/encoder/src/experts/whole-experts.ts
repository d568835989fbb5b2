/**
 * Experts that are whole functions of several linears, such as the feed-forward part of SM^4 (section 3.1):
 *   y[n] = sum over the chosen e of g[n, e] f_e(x[n]),  f_e = the linears of expert e one after the other.
 * Between the first linear and the last a token has a row for each expert that it chose: its pairs. The first linear
 * spreads tokens over pairs, the last weighs and adds them up. Pairs lie token by token, so that each expert finds its own
 * by the same plan, and one expert a token needs no copies.
 *
 * B batch · L tokens of a sample · K experts of a token · N = B L tokens · P = N K pairs · I inputs · O outputs · E experts
 */
import type { TokenDecision } from '@polygate/routers';
import { dispatchedLinear, type DispatchPlan, type LinearExpert } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';

/** One linear of whole experts. All borrowed. */
export interface WholePart {
  readonly decision: TokenDecision;
  readonly experts: readonly LinearExpert[];
  readonly activation: 'none' | 'gelu';
  /** [B, L] weights of the tokens in weight gradients. @default all 1 */
  readonly rates: tf.Tensor2D | undefined;
  /** Whether it is the first, or the last, of its site. */
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** Pairs by expert, ascending; all linears of a site share one. */
const plans = new WeakMap<TokenDecision, DispatchPlan>();

const planOfPairs = (decision: TokenDecision): DispatchPlan => {
  const { choices, kept, plan } = decision;
  if (choices.topK === 1) return plan;
  const cachedPlan = plans.get(decision);
  if (cachedPlan) return cachedPlan;
  const { ids, experts } = choices;
  const next = new Int32Array(experts);
  const starts = new Int32Array(experts + 1);
  for (let pair = 0; pair < ids.length; pair += 1) {
    if (kept[pair] !== 0)
      starts[(ids[pair] as number) + 1] = (starts[(ids[pair] as number) + 1] as number) + 1;
  }
  for (let e = 0; e < experts; e += 1) {
    next[e] = starts[e] as number;
    starts[e + 1] = (starts[e + 1] as number) + (starts[e] as number);
  }
  const tokens = new Int32Array(starts[experts] as number);
  for (let pair = 0; pair < ids.length; pair += 1) {
    if (kept[pair] === 0) continue;
    const e = ids[pair] as number;
    tokens[next[e] as number] = pair;
    next[e] = (next[e] as number) + 1;
  }
  const made = { tokens, starts };
  plans.set(decision, made);
  return made;
};

/** Repeats rows of [B, L, ...] one after another, [B, L K, ...]. */
const repeated = <T extends tf.Tensor>(x: T, times: number): T => {
  if (times === 1) return x;
  const [batch = 0, length = 0, ...rest] = x.shape;
  const shape: readonly number[] = [batch, length, times, ...rest];
  const spread = tf.broadcastTo(tf.expandDims(x, 2), shape as tf.ShapeMap[tf.Rank]);
  return tf.reshape(spread, [batch, length * times, ...rest]) as unknown as T;
};

/**
 * Applies a linear to tokens [B, L, I] (the first) or pairs [B, L K, I]. Call it inside the tidy and tape of the forward.
 * @returns [B, L K, O] or, of the last, [B, L, O]
 */
export const applyWhole = (x: tf.Tensor3D, part: WholePart): tf.Tensor3D => {
  const { decision, experts, activation, rates, isFirst, isLast } = part;
  const { topK } = decision.choices;
  const [tokens, chosen] = decision.gates.shape;
  const input = isFirst ? repeated(x, topK) : x;
  const gates: tf.Tensor2D = isLast
    ? tf.reshape(repeated(tf.expandDims(decision.gates, 0), topK), [tokens * topK, chosen])
    : tf.ones([tokens * topK, chosen]);
  const output = dispatchedLinear(input, {
    gates,
    plan: planOfPairs(decision),
    experts,
    activation,
    weightRates: rates && repeated(rates, topK),
  });
  if (!isLast || topK === 1) return output;
  const [batch, pairs, width] = output.shape;
  return tf.sum(tf.reshape(output, [batch, pairs / topK, topK, width]), 2) as tf.Tensor3D;
};
