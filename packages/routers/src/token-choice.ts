/**
 * The arithmetic of {@link gateRows} for many rows at once: softmax, the K largest and their gates for every visible
 * token, and the gradient of those. Plain typed arrays and no allocation per token: a model decides for hundreds of
 * thousands of tokens a step, so the exponential is one that the compiler keeps in these loops.
 *
 * N tokens · E experts · K chosen
 */
import { logitsNotFinite, renormalizes, type GateRule } from './gate-math.ts';

/** What a gate makes of N rows of logits. */
export interface TokenChoices {
  readonly experts: number;
  /** Most experts that a token chooses. */
  readonly topK: number;
  /** [N, E] softmax, noise included; 0 at padding. */
  readonly probabilities: Float32Array;
  /** [N] logarithm of the sum of exponentials; 0 at padding. */
  readonly logSums: Float32Array;
  /** [N, K] chosen experts, the likeliest first (of equal ones the lower id); -1 at padding and beyond a token's own K. */
  readonly ids: Int32Array;
  /** [N, K] gates of the chosen experts, before any is dropped; 0 at padding. */
  readonly weights: Float32Array;
  /** [E] sums of the probabilities over tokens. */
  readonly importance: Float64Array;
  /** Tokens that are not padding. */
  readonly counted: number;
  /** Choices of all tokens together: K times as many where all choose as many. */
  readonly total: number;
}

/** Where exp(-x) leaves double precision. */
const LAST_POWER = 745;

/** exp(-k) for whole k. */
const POWERS = Float64Array.from({ length: LAST_POWER + 1 }, (_, k) => Math.exp(-k));

/** exp(-x) for x >= 0, to 1e-9 relative; 0 where double precision ends. NaN stays NaN. */
const expOfMinus = (x: number): number => {
  if (x >= LAST_POWER) return 0;
  const whole = (x + 0.5) | 0;
  // |r| <= 1/2: Taylor's series, its tenth term is below 1e-9.
  const r = whole - x;
  const series =
    1 +
    r *
      (1 +
        (r / 2) *
          (1 +
            (r / 3) *
              (1 + (r / 4) * (1 + (r / 5) * (1 + (r / 6) * (1 + (r / 7) * (1 + (r / 8) * (1 + r / 9))))))));
  return (POWERS[whole] as number) * series;
};

/** Below every float32, above what is out of the next round. */
const LOWEST = -1e300;

/** Least sum that kept probabilities are divided by, as in gate-math.ts. */
const MINIMAL_SUM = 2 ** -23;

/** What differs from token to token. */
export interface TokenFlags {
  /** [N], 0 at padding. @default all count */
  readonly visible?: ArrayLike<number> | undefined;
  /** [T] experts that the token at each position of a sequence chooses, at most the rule's topK. @default topK for all */
  readonly topKs?: readonly number[] | undefined;
}

/**
 * The choice is by logits, not by their exponentials: those of different logits may be equal.
 * @param logits [N, E] row-major, noise already added
 * @throws StateError naming the token when its logits have no softmax: one is NaN or +Infinity, or all are -Infinity
 */
export const chooseExperts = (
  logits: Float32Array,
  { experts, topK, renormalize }: GateRule & { readonly topK: number },
  { visible, topKs }: TokenFlags = {},
): TokenChoices => {
  const count = logits.length / experts;
  const probabilities = new Float32Array(logits.length);
  const logSums = new Float32Array(count);
  const ids = new Int32Array(count * topK).fill(-1);
  const weights = new Float32Array(count * topK);
  const exponentials = new Float64Array(experts);
  const room = new Float64Array(experts);
  const importance = new Float64Array(experts);
  let counted = 0;
  let total = 0;
  for (let token = 0; token < count; token += 1) {
    if (visible?.[token] === 0) continue;
    counted += 1;
    const at = token * experts;
    let maximum = -Infinity;
    for (let e = 0; e < experts; e += 1) {
      const logit = logits[at + e] as number;
      if (logit > maximum) maximum = logit;
    }
    let sum = 0;
    for (let e = 0; e < experts; e += 1) {
      const value = expOfMinus(maximum - (logits[at + e] as number));
      exponentials[e] = value;
      sum += value;
    }
    if (!(sum < Infinity)) throw logitsNotFinite('token', token, logits.subarray(at, at + experts));
    logSums[token] = maximum + Math.log(sum);
    const inverse = 1 / sum;
    for (let e = 0; e < experts; e += 1) {
      const p = (exponentials[e] as number) * inverse;
      probabilities[at + e] = p;
      importance[e] = (importance[e] as number) + p;
    }
    for (let e = 0; e < experts; e += 1) room[e] = Math.max(logits[at + e] as number, LOWEST);
    const first = token * topK;
    const wanted = topKs ? (topKs[token % topKs.length] as number) : topK;
    total += wanted;
    let kept = 0;
    for (let k = 0; k < wanted; k += 1) {
      let best = 0;
      for (let e = 1; e < experts; e += 1) {
        if ((room[e] as number) > (room[best] as number)) best = e;
      }
      const value = exponentials[best] as number;
      // A chosen one is out of the next round.
      room[best] = -Infinity;
      ids[first + k] = best;
      weights[first + k] = value * inverse;
      kept += value * inverse;
    }
    if (renormalizes(renormalize, wanted)) {
      const divisor = kept > MINIMAL_SUM ? kept : MINIMAL_SUM;
      for (let k = 0; k < wanted; k += 1) weights[first + k] = (weights[first + k] as number) / divisor;
    }
  }
  return { experts, topK, probabilities, logSums, ids, weights, importance, counted, total };
};

/**
 * Gradient to the logits, as {@link gateRowsGradient}. A dropped choice has no weight of its own any more, but it still
 * took part in the sum that the others were divided by.
 * @param gradient [N, E] to the gates
 * @param kept [N, K], 0 at choices that were dropped
 */
export const choiceGradient = (
  gradient: ArrayLike<number>,
  { experts, topK, probabilities, ids, weights }: TokenChoices,
  { renormalize, kept }: Pick<GateRule, 'renormalize'> & { readonly kept: Uint8Array },
): Float32Array => {
  const result = new Float32Array(probabilities.length);
  const count = ids.length / topK;
  for (let token = 0; token < count; token += 1) {
    const first = token * topK;
    if ((ids[first] as number) < 0) continue;
    const at = token * experts;
    let sum = 0;
    let shared = 0;
    let chosen = 0;
    while (chosen < topK && (ids[first + chosen] as number) >= 0) chosen += 1;
    for (let k = 0; k < chosen; k += 1) {
      const e = at + (ids[first + k] as number);
      sum += probabilities[e] as number;
      if (kept[first + k] !== 0) shared += (gradient[e] as number) * (weights[first + k] as number);
    }
    // Below the clamp the divisor is a constant, so its own gradient vanishes.
    const isDivided = renormalizes(renormalize, chosen);
    const moving = isDivided && sum > MINIMAL_SUM;
    const divisor = isDivided ? Math.max(sum, MINIMAL_SUM) : 1;
    if (!moving) shared = 0;
    let mean = 0;
    for (let k = 0; k < chosen; k += 1) {
      const e = at + (ids[first + k] as number);
      const value = ((kept[first + k] === 0 ? 0 : (gradient[e] as number)) - shared) / divisor;
      result[e] = value;
      mean += value * (probabilities[e] as number);
    }
    for (let e = at; e < at + experts; e += 1) {
      result[e] = (probabilities[e] as number) * ((result[e] as number) - mean);
    }
  }
  return result;
};
