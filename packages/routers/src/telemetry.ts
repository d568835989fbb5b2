/**
 * What routing did, as values: nothing is accumulated here.
 *
 * R rows · E experts
 */
import { ShapeError } from '@polygate/core';
import type { GateDecision } from './decision.ts';

/** Routing statistics of one decision. */
export interface DecisionTelemetry {
  /** Share of (weighted) choices that fell on each expert, [E]; sums to 1. A fair share is 1 / E. */
  readonly load: readonly number[];
  /** (Weighted) mean gate value of each expert, [E]; sums to 1 where gates are renormalised. */
  readonly importance: readonly number[];
  /** (Weighted) mean entropy of the probabilities before the choice, in nats, from 0 to ln E. */
  readonly entropy: number;
  /** (max load - mean load) / mean load: 0 when even, E - 1 when one expert takes all. */
  readonly imbalance: number;
  /** Experts that no row chose. */
  readonly idle: readonly number[];
}

const entropyOf = (probabilities: Float32Array): number => {
  let sum = 0;
  for (const p of probabilities) if (p > 0) sum -= p * Math.log(p);
  return sum;
};

/**
 * Load, importance and entropy of a decision.
 * @param weights of the rows, e.g. how many tokens each stood for, at least 0 with a positive sum. @default all equal
 * @throws ShapeError when the weights don't match the rows
 */
export const decisionTelemetry = (
  { chosen, probabilities, values, experts }: Omit<GateDecision, 'gates'>,
  weights: readonly number[] = chosen.map(() => 1),
): DecisionTelemetry => {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (weights.length !== chosen.length || weights.some((weight) => !(weight >= 0)) || !(total > 0)) {
    throw new ShapeError(
      `decisionTelemetry: expected ${chosen.length} weights of at least 0 with a positive sum, got [${weights.join(', ')}]; give the number of tokens of each row`,
      { fields: { rows: chosen.length, weights } },
    );
  }
  const load = new Array<number>(experts).fill(0);
  const importance = new Array<number>(experts).fill(0);
  let entropy = 0;
  for (const [row, ids] of chosen.entries()) {
    const share = (weights[row] ?? 0) / total;
    for (const e of ids) load[e] = (load[e] ?? 0) + share / ids.length;
    for (let e = 0; e < experts; e += 1) {
      importance[e] = (importance[e] ?? 0) + share * (values[row * experts + e] ?? 0);
    }
    entropy += share * entropyOf(probabilities.subarray(row * experts, (row + 1) * experts));
  }
  const used = new Set(chosen.flat());
  return {
    load,
    importance,
    entropy,
    imbalance: Math.max(...load) * experts - 1,
    idle: load.flatMap((_, e) => (used.has(e) ? [] : [e])),
  };
};
