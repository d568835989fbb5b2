/**
 * Adaptive learning pace (SM^4, section 3.2, algorithm 4): modalities whose routers are unsettled learn more slowly.
 *   H_m = mean entropy of the routers' probabilities over the tokens of modality m in the epoch, all routers together
 *   w = 1 - softmax(H) over modalities: weights of their learning in the next epoch; 1 in the first
 * With M modalities the weights add up to M - 1. The paper says "each modality in one task", so softmax goes over those of
 * a task; it leaves open what entropy is meant, and how one rate of many is applied to weights that all share: here tokens
 * are weighted in the gradients of weights (`rowWeights` of `@polygate/encoder`).
 *
 * A task of one modality has nobody to keep pace with: its weight is 1, where the formula would give 0.
 */
import { parseJson, type PartExchange } from '@polygate/core';
import { addCounts, type RoutingCounts } from '@polygate/routers';

/** How weights follow from the routers. */
export interface PaceRule {
  /** Modalities that are weighed against each other: those of a task, or those of all tasks. */
  readonly scope: 'task' | 'all';
  /** Of what entropy is taken: of each token's probabilities, on average, or of the share of choices of each expert. */
  readonly entropy: 'token' | 'choice';
  /** Whether weights are scaled to a mean of 1. */
  readonly unitMean: boolean;
}

/** What a router did with the tokens of one modality of a task. */
export interface PaceEntry {
  readonly task: string;
  readonly modality: string;
  /** Of the router, such as `attention 0 query`. */
  readonly site: string;
  readonly counts: RoutingCounts;
}

/** A modality of a task. */
export interface PacedModality {
  readonly task: string;
  readonly modality: string;
}

/** Sums over an epoch and the weights that the last one gave; JSON. */
export interface PaceState {
  readonly sums: readonly PaceEntry[];
  readonly weights: readonly (PacedModality & { readonly weight: number; readonly entropy: number })[];
}

/** Before the first epoch. */
export const startPace: PaceState = Object.freeze({ sums: [], weights: [] });

const sameRouter = (a: PaceEntry, b: PaceEntry): boolean =>
  a.task === b.task && a.modality === b.modality && a.site === b.site;

/** Adds what the routers of one forward did. */
export const addToPace = (state: PaceState, entries: readonly PaceEntry[]): PaceState => {
  const sums = [...state.sums];
  for (const entry of entries) {
    const at = sums.findIndex((each) => sameRouter(each, entry));
    const before = sums[at];
    if (before) sums[at] = { ...before, counts: addCounts([before.counts, entry.counts]) };
    else sums.push(entry);
  }
  return { ...state, sums };
};

/** What routers did with the rows of all parts of a batch; parts may lack a modality. */
export const sumEntries = (entries: readonly PaceEntry[], exchange: PartExchange): readonly PaceEntry[] =>
  Array.from(
    exchange.sumAll(
      new Map(
        entries.map(({ task, modality, site, counts }) => [
          JSON.stringify([task, modality, site]),
          Float64Array.of(
            ...[counts.tokens, counts.entropy, counts.dropped],
            ...[...counts.choices, ...counts.gates],
          ),
        ]),
      ),
    ),
    ([name, sums]) => {
      const [task, modality, site] = parseJson(name, 'pace') as [string, string, string];
      const [tokens = 0, entropy = 0, dropped = 0, ...rest] = sums;
      const [choices, gates] = [rest.slice(0, rest.length / 2), rest.slice(rest.length / 2)];
      return { task, modality, site, counts: { tokens, entropy, dropped, choices, gates } };
    },
  );

const entropyOf = (shares: readonly number[]): number => {
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.reduce(
    (sum, share) => (share > 0 ? sum - (share / total) * Math.log(share / total) : sum),
    0,
  );
};

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** w = 1 - softmax(H), or 1 for a modality alone. */
export const paceWeights = (entropies: readonly number[], unitMean = false): readonly number[] => {
  if (entropies.length === 1) return [1];
  const maximum = Math.max(...entropies);
  const exponentials = entropies.map((entropy) => Math.exp(entropy - maximum));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  const scale = unitMean ? entropies.length / (entropies.length - 1) : 1;
  return exponentials.map((value) => scale * (1 - value / sum));
};

/** The end of an epoch: weights of the next one, and empty sums. Without sums nothing changes. */
export const endPace = (state: PaceState, { scope, entropy, unitMean }: PaceRule): PaceState => {
  const seen = state.sums.filter(
    (entry, at) =>
      state.sums.findIndex(({ task, modality }) => task === entry.task && modality === entry.modality) === at,
  );
  if (seen.length === 0) return state;
  const measured = seen.map(({ task, modality }) => {
    const counts = state.sums.filter((each) => each.task === task && each.modality === modality);
    const value =
      entropy === 'token'
        ? counts.reduce((sum, each) => sum + each.counts.entropy, 0) /
          counts.reduce((sum, each) => sum + each.counts.tokens, 0)
        : mean(counts.map((each) => entropyOf(each.counts.choices)));
    return { task, modality, entropy: value };
  });
  const groups =
    scope === 'all'
      ? [measured]
      : [...new Set(measured.map(({ task }) => task))].map((task) =>
          measured.filter((each) => each.task === task),
        );
  const weights = groups.flatMap((group) => {
    const newWeights = paceWeights(
      group.map((each) => each.entropy),
      unitMean,
    );
    return group.map((each, at) => ({ ...each, weight: newWeights[at] ?? 1 }));
  });
  // A task that had no turn in the epoch keeps its pace.
  const kept = state.weights.filter(
    (old) => !weights.some(({ task, modality }) => task === old.task && modality === old.modality),
  );
  return { sums: [], weights: [...kept, ...weights] };
};

/** Weight of the tokens of a modality of a task; 1 before the first epoch has ended. */
export const paceOf = ({ weights }: PaceState, { task, modality }: PacedModality): number =>
  weights.find((each) => each.task === task && each.modality === modality)?.weight ?? 1;
