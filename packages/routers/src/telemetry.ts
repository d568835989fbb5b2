/**
 * What routing did, as values: sums that add up over batches, groups and steps, and the figures that follow from them.
 * Nothing is accumulated here.
 *
 * N tokens · R rows · E experts · K chosen · G groups
 */
import { ShapeError } from '@polygate/core';
import type { GateDecision } from './decision.ts';
import type { TokenDecision } from './token-router.ts';

/** Sums over tokens (or rows that stand for several). Add them with {@link addCounts}. */
export interface RoutingCounts {
  /** Tokens. */
  readonly tokens: number;
  /** [E] choices that fell on each expert, served or not. */
  readonly choices: readonly number[];
  /** [E] sums of the chosen experts' gates, before any was dropped. */
  readonly gates: readonly number[];
  /** Sum of the entropies of the probabilities before the choice, in nats. */
  readonly entropy: number;
  /** Choices that found no slot. */
  readonly dropped: number;
}

/** Routing statistics. */
export interface RoutingTelemetry {
  /** Tokens that these figures are about. */
  readonly tokens: number;
  /** Share of choices that fell on each expert, [E]; sums to 1. A fair share is 1 / E. */
  readonly load: readonly number[];
  /** Mean gate of each expert, [E]; sums to 1 where gates are renormalised. */
  readonly importance: readonly number[];
  /** Mean entropy of the probabilities before the choice, in nats, from 0 to ln E. */
  readonly entropy: number;
  /** Share of choices that found no slot. */
  readonly droppedFraction: number;
  /** (largest load - mean load) / mean load: 0 when even, E - 1 when one expert takes all. */
  readonly maximumViolation: number;
  /** Experts that nothing chose. */
  readonly dead: readonly number[];
}

/** Which group each token or row belongs to, e.g. its modality, task or attribute row. */
export interface RoutingGroups {
  /** [N] or [R] group of each, from 0; below 0 in none. */
  readonly ids: ArrayLike<number>;
  /** Number of groups G. */
  readonly count: number;
}

interface Sums {
  tokens: number;
  readonly choices: Float64Array;
  readonly gates: Float64Array;
  entropy: number;
  dropped: number;
}

const emptySums = (experts: number): Sums => ({
  tokens: 0,
  choices: new Float64Array(experts),
  gates: new Float64Array(experts),
  entropy: 0,
  dropped: 0,
});

const countsOf = ({ tokens, choices, gates, entropy, dropped }: Sums): RoutingCounts => ({
  tokens,
  choices: [...choices],
  gates: [...gates],
  entropy,
  dropped,
});

const entropyAt = (probabilities: Float32Array, at: number, experts: number): number => {
  let sum = 0;
  for (let e = at; e < at + experts; e += 1) {
    const p = probabilities[e] ?? 0;
    if (p > 0) sum -= p * Math.log(p);
  }
  return sum;
};

const checkGroups = (kind: string, expected: number, { ids, count }: RoutingGroups): void => {
  for (let i = 0; i < ids.length; i += 1) {
    if (!Number.isInteger(ids[i]) || (ids[i] ?? 0) >= count) {
      throw new ShapeError(
        `routing counts: expected groups below ${count}, got ${ids[i]} for ${kind} ${i}; number groups from 0`,
        { fields: { at: i, group: ids[i], count } },
      );
    }
  }
  if (ids.length !== expected) {
    throw new ShapeError(
      `routing counts: expected the group of each of ${expected} ${kind}s, got ${ids.length}; give one id each`,
      { fields: { expected, got: ids.length } },
    );
  }
};

/**
 * Sums over the visible tokens of a decision, for each group; one group of all without `groups`.
 * @throws ShapeError when groups don't match the tokens
 */
export const countTokens = (
  { choices, kept }: Pick<TokenDecision, 'choices' | 'kept'>,
  groups?: RoutingGroups,
): readonly RoutingCounts[] => {
  const { experts, topK, ids, weights, probabilities } = choices;
  if (groups) checkGroups('token', ids.length / topK, groups);
  const sums = Array.from({ length: groups?.count ?? 1 }, () => emptySums(experts));
  for (let choice = 0; choice < ids.length; choice += 1) {
    const e = ids[choice] ?? -1;
    const token = Math.floor(choice / topK);
    const groupSums = sums[groups ? (groups.ids[token] ?? -1) : 0];
    if (e < 0 || !groupSums) continue;
    if (choice % topK === 0) {
      groupSums.tokens += 1;
      groupSums.entropy += entropyAt(probabilities, token * experts, experts);
    }
    groupSums.choices[e] = (groupSums.choices[e] ?? 0) + 1;
    groupSums.gates[e] = (groupSums.gates[e] ?? 0) + (weights[choice] ?? 0);
    if (kept[choice] === 0) groupSums.dropped += 1;
  }
  return sums.map(countsOf);
};

/** Settings of {@link countRows}. */
export interface CountRowsOptions {
  /** Tokens that each row stood for, at least 0. @default 1 each */
  readonly tokens?: readonly number[];
  /** @default one group of all */
  readonly groups?: RoutingGroups;
}

/**
 * Sums over the rows of a decision that does not look at tokens, each counted as often as it had tokens, for each group.
 * @throws ShapeError when token counts or groups don't match the rows
 */
export const countRows = (
  { chosen, probabilities, values, experts }: Omit<GateDecision, 'gates'>,
  { tokens = chosen.map(() => 1), groups }: CountRowsOptions = {},
): readonly RoutingCounts[] => {
  if (tokens.length !== chosen.length || tokens.some((count) => !(count >= 0))) {
    throw new ShapeError(
      `routing counts: expected the tokens (0 or more) of each of ${chosen.length} rows, got [${tokens.join(', ')}]; give one number each`,
      { fields: { rows: chosen.length, tokens } },
    );
  }
  if (groups) checkGroups('row', chosen.length, groups);
  const sums = Array.from({ length: groups?.count ?? 1 }, () => emptySums(experts));
  for (const [row, ids] of chosen.entries()) {
    const groupSums = sums[groups ? (groups.ids[row] ?? -1) : 0];
    const count = tokens[row] ?? 0;
    if (!groupSums) continue;
    groupSums.tokens += count;
    groupSums.entropy += count * entropyAt(probabilities, row * experts, experts);
    for (const e of ids) {
      groupSums.choices[e] = (groupSums.choices[e] ?? 0) + count;
      groupSums.gates[e] = (groupSums.gates[e] ?? 0) + count * (values[row * experts + e] ?? 0);
    }
  }
  return sums.map(countsOf);
};

/** The sums of several batches, steps or groups of routers with the same experts together. At least one. */
export const addCounts = (parts: readonly RoutingCounts[]): RoutingCounts => {
  const total = emptySums(parts[0]?.choices.length ?? 0);
  for (const { tokens, choices, gates, entropy, dropped } of parts) {
    if (choices.length !== total.choices.length) {
      throw new ShapeError(
        `routing counts: expected counts over ${total.choices.length} experts, got ${choices.length}; add only those of routers with the same experts`,
        { fields: { expected: total.choices.length, got: choices.length } },
      );
    }
    total.tokens += tokens;
    total.entropy += entropy;
    total.dropped += dropped;
    for (let e = 0; e < choices.length; e += 1) {
      total.choices[e] = (total.choices[e] ?? 0) + (choices[e] ?? 0);
      total.gates[e] = (total.gates[e] ?? 0) + (gates[e] ?? 0);
    }
  }
  return countsOf(total);
};

/** The figures that follow from sums. Without tokens all are 0 and all experts dead. */
export const routingTelemetry = ({
  tokens,
  choices,
  gates,
  entropy,
  dropped,
}: RoutingCounts): RoutingTelemetry => {
  const chosen = Math.max(
    Number.MIN_VALUE,
    choices.reduce((sum, count) => sum + count, 0),
  );
  const rows = Math.max(Number.MIN_VALUE, tokens);
  const load = choices.map((count) => count / chosen);
  return {
    tokens,
    load,
    importance: gates.map((sum) => sum / rows),
    entropy: entropy / rows,
    droppedFraction: dropped / chosen,
    maximumViolation: tokens > 0 ? Math.max(...load) * load.length - 1 : 0,
    dead: choices.flatMap((count, e) => (count > 0 ? [] : [e])),
  };
};
