/**
 * The arithmetic of a gate on plain arrays: G = top-k(softmax(z)) for each row of logits z, and its gradient
 * (Uni-Perceiver-MoE, Eq. 3). All sums are in double precision, so the choice of experts is the same on every engine
 * and in every storage precision.
 *
 * N rows · E experts · K chosen
 *
 * Departs from the paper in one option: it writes no renormalisation; the authors' published code divides the kept
 * values by their sum, and that is the default here for K > 1. A single kept value divided by itself is 1, whatever the
 * router says: it would get no gradient.
 */
import { ConfigError, StateError } from '@polygate/core';

/** What a gate keeps of its probabilities. */
export interface GateRule {
  /** Experts to choose from, at least 1. */
  readonly experts: number;
  /** Experts kept per row, from 1 to `experts`. @default 2 */
  readonly topK?: number;
  /** Whether the kept values are divided by their sum. @default for rows that keep more than one */
  readonly renormalize?: boolean | undefined;
}

/** The outcome of N rows of logits. */
export interface GateRows {
  /** [N, E] float64, zero at experts that were not chosen. */
  readonly gates: Float64Array;
  /** [N, E] float64, the softmax before the choice. */
  readonly probabilities: Float64Array;
  /** Ids of the chosen experts by row, the likeliest first. */
  readonly chosen: readonly (readonly number[])[];
}

/** Least sum that kept values are divided by: float32's machine epsilon. */
const MINIMAL_SUM = 2 ** -23;

/** Number of experts kept per row when a rule doesn't say. */
export const DEFAULT_TOP_K = 2;

/**
 * Whether the values of a row that keeps `topK` are divided by their sum. Where the rule doesn't say, a single one is not: it
 * would always be 1.
 */
export const renormalizes = (renormalize: boolean | undefined, topK: number): boolean =>
  renormalize ?? topK > 1;

/** {@link renormalizes} as the least number of kept values that are divided; more than `experts` where none ever are. */
export const divideFrom = (renormalize: boolean | undefined, experts: number): number => {
  if (renormalize === undefined) return 2;
  return renormalize ? 1 : experts + 1;
};

/** Most experts of a gate. */
const MAX_EXPERTS = 2 ** 20;

/** @throws ConfigError when no such choice is possible */
export const checkGateRule = ({ experts, topK = DEFAULT_TOP_K }: GateRule): void => {
  if (!Number.isInteger(experts) || experts < 1 || experts > MAX_EXPERTS) {
    throw new ConfigError(
      `gate: expected a whole number of experts of 1 to ${MAX_EXPERTS}, got ${experts}; set experts`,
      {
        fields: { experts },
      },
    );
  }
  checkTopK(topK, experts);
};

/** @throws ConfigError for a number of experts that none of `experts` can be */
export const checkTopK = (topK: number, experts: number): void => {
  if (!Number.isInteger(topK) || topK < 1 || topK > experts) {
    throw new ConfigError(
      `gate: expected topK from 1 to the number of experts (${experts}), got ${topK}; lower topK or add experts`,
      { fields: { experts, topK } },
    );
  }
};

/** The error of a row of logits that has no softmax. @param kind what a row is: `token` or `row` */
export const logitsNotFinite = (kind: string, at: number, row: ArrayLike<number>): StateError => {
  const values = Array.from(row);
  const bad = values.findIndex((value) => !(value < Infinity));
  const got = bad < 0 ? '-Infinity for every expert' : `${values[bad]} for expert ${bad}`;
  return new StateError(
    `router: expected logits that have a softmax, got ${got} at ${kind} ${at}; the weights or what the router looks at are not finite: look for the layer or batch that they come from`,
    { code: 'logits-not-finite', fields: { [kind]: at } },
  );
};

/** @returns the sum of the exponentials, not finite where the row has no softmax */
const softmaxInto = (target: Float64Array, logits: Float64Array, at: number, experts: number): number => {
  let maximum = -Infinity;
  for (let e = 0; e < experts; e += 1) maximum = Math.max(maximum, logits[at + e] ?? 0);
  let sum = 0;
  for (let e = 0; e < experts; e += 1) {
    const value = Math.exp((logits[at + e] ?? 0) - maximum);
    target[at + e] = value;
    sum += value;
  }
  for (let e = 0; e < experts; e += 1) target[at + e] = (target[at + e] ?? 0) / sum;
  return sum;
};

/** Indices of the `topK` largest logits of a row, largest first; of equal ones (also of two -Infinity) the lower wins. */
const topKIndices = (
  values: Float64Array,
  at: number,
  { experts, topK }: { readonly experts: number; readonly topK: number },
): number[] =>
  Array.from({ length: experts }, (_, e) => e)
    .sort((a, b) => (values[at + b] ?? 0) - (values[at + a] ?? 0) || a - b)
    .slice(0, topK);

const keptSum = (values: Float64Array, at: number, chosen: readonly number[]): number =>
  chosen.reduce((sum, e) => sum + (values[at + e] ?? 0), 0);

/**
 * Chooses experts for each row and computes their gate values.
 * @param logits [N, E] row-major, noise already added
 * @param topKs how many each row keeps, repeated over the rows where there are more. @default the rule's
 * @throws StateError (code `logits-not-finite`) naming the row when its logits have no softmax: one is NaN or +Infinity,
 * or all are -Infinity
 */
export const gateRows = (logits: Float64Array, rule: GateRule, topKs?: readonly number[]): GateRows => {
  const { experts, topK = DEFAULT_TOP_K, renormalize } = rule;
  const count = logits.length / experts;
  const probabilities = new Float64Array(logits.length);
  const gates = new Float64Array(logits.length);
  const chosen: number[][] = [];
  for (let row = 0; row < count; row += 1) {
    const at = row * experts;
    const sum = softmaxInto(probabilities, logits, at, experts);
    if (!(sum < Infinity)) throw logitsNotFinite('row', row, logits.subarray(at, at + experts));
    const ids = topKIndices(logits, at, { experts, topK: topKs?.[row % topKs.length] ?? topK });
    const divisor = renormalizes(renormalize, ids.length)
      ? Math.max(keptSum(probabilities, at, ids), MINIMAL_SUM)
      : 1;
    for (const e of ids) gates[at + e] = (probabilities[at + e] ?? 0) / divisor;
    chosen.push(ids);
  }
  return { gates, probabilities, chosen };
};

/**
 * Gradient of {@link gateRows} to its logits. The choice itself is piecewise constant, so only values pass:
 *   kept e:  dp_e = dG_e                                 (not renormalised)
 *            dp_e = (dG_e - sum_j dG_j G_j) / S          (renormalised by S)
 *   softmax: dz_e = p_e (dp_e - sum_j p_j dp_j)
 * @param gradient [N, E] to the gates; entries at experts that were not chosen are ignored
 */
export const gateRowsGradient = (
  gradient: ArrayLike<number>,
  { gates, probabilities, chosen }: GateRows,
  { experts, renormalize }: GateRule,
): Float64Array => {
  const result = new Float64Array(probabilities.length);
  const toProbability = new Float64Array(experts);
  for (const [row, ids] of chosen.entries()) {
    const at = row * experts;
    toProbability.fill(0);
    const sum = keptSum(probabilities, at, ids);
    const isDivided = renormalizes(renormalize, ids.length);
    const divisor = isDivided ? Math.max(sum, MINIMAL_SUM) : 1;
    // Below the clamp the divisor is a constant, so its own gradient vanishes.
    const moving = isDivided && sum > MINIMAL_SUM;
    let shared = 0;
    if (moving) for (const e of ids) shared += (gradient[at + e] ?? 0) * (gates[at + e] ?? 0);
    let mean = 0;
    for (const e of ids) {
      const value = ((gradient[at + e] ?? 0) - shared) / divisor;
      toProbability[e] = value;
      mean += value * (probabilities[at + e] ?? 0);
    }
    for (let e = 0; e < experts; e += 1) {
      result[at + e] = (probabilities[at + e] ?? 0) * ((toProbability[e] ?? 0) - mean);
    }
  }
  return result;
};
