/**
 * Experts that start from the merged sets of an exported model: the experts are shared out among the sets, and the gates
 * are moved, as little as need be, until every row that the start served chooses among the experts of its own set. The
 * model then computes for these rows what the exported one does, and its routers have something to learn from.
 *
 * S sites · R rows · E experts · K chosen · W width of the representation
 */
import type { LearnedCondition, RoutingKey } from '@polygate/routers';
import { conditionOf, type ConditionNames, type ExpertGroup } from '../config/expert-groups.ts';
import { keyOfRow, type MergedGroup } from '../merged/merged-config.ts';
import type { FittedRow } from './transfer-source.ts';

/** Distance of logits that the noise of training, of deviation 1 / E, seldom bridges. */
const CLEAR = 1;
/** Distance of logits that leaves the others a gate of e^-12, where a set has fewer experts than are chosen. */
const ALONE = 12;

/** How experts are shared out among merged sets. */
export interface SharedSets {
  /** Set of each expert. */
  readonly setOf: readonly number[];
  /** Rows with the experts of their sets; none where one set serves all. */
  readonly rows: readonly FittedRow[];
  /** Least distance of the logits of a row's own experts to all others. */
  readonly margin: number;
}

/** Rows that both know, by what the model's condition sees of them, with the set that served each. */
const servedRows = (
  condition: LearnedCondition<RoutingKey>,
  names: ConditionNames,
  merged: MergedGroup,
): ReadonlyMap<string, { readonly key: RoutingKey; readonly set: number }> | undefined => {
  const fields = condition.reads;
  if (!fields.every((field) => (merged.by as readonly string[]).includes(field))) return undefined;
  const served = new Map<string, { readonly key: RoutingKey; readonly set: number }>();
  for (const row of merged.rows) {
    const key = keyOfRow(row);
    const isNamed =
      (!fields.includes('task') || names.tasks.includes(key.task)) &&
      (!fields.includes('modality') || names.modalities.includes(key.modality));
    if (!isNamed) continue;
    const identity = condition.keyOf(key);
    // Rows that the model cannot tell apart would need two sets at once.
    if ((served.get(identity)?.set ?? row.set) !== row.set) return undefined;
    served.set(identity, { key, set: row.set });
  }
  return served;
};

/** @returns undefined where experts cannot be shared out: the routers look at tokens, or see other fields of a row */
export const shareSets = (
  group: ExpertGroup,
  names: ConditionNames,
  start: MergedGroup,
): SharedSets | undefined => {
  const condition = conditionOf(group, names);
  if (!condition.dataIndependent || condition.fixed === true) return undefined;
  const served = servedRows(condition, names, start);
  if (!served || served.size === 0) return undefined;
  const { experts, topK } = group;
  const sets = [...new Set([...served.values()].map(({ set }) => set))];
  if (sets.length > experts) return undefined;
  const setOf = Array.from({ length: experts }, (_, e) => sets[Math.floor((e * sets.length) / experts)] ?? 0);
  const rows = [...served.values()].map(({ key, set }) => ({
    key,
    experts: setOf.flatMap((of, expert) => (of === set ? [expert] : [])),
  }));
  const margin = rows.some((row) => row.experts.length < topK) ? ALONE : CLEAR;
  return { setOf, rows: sets.length > 1 ? rows : [], margin };
};

/** Sweeps over the rows of a site after which what was reached must do. */
const MOST_SWEEPS = 10_000;

/** One site's gates and the representations of its rows. */
interface FitSite {
  /** [E, W], changed in place. */
  readonly gates: Float32Array;
  /** [R, W] */
  readonly features: Float64Array;
  readonly width: number;
}

const logit = ({ gates, features, width }: FitSite, expert: number, row: number): number => {
  let sum = 0;
  for (let w = 0; w < width; w += 1)
    sum += (gates[expert * width + w] ?? 0) * (features[row * width + w] ?? 0);
  return sum;
};

const move = (
  { gates, features, width }: FitSite,
  [expert, row]: readonly [number, number],
  by: number,
): void => {
  for (let w = 0; w < width; w += 1) {
    const at = expert * width + w;
    gates[at] = (gates[at] ?? 0) + by * (features[row * width + w] ?? 0);
  }
};

/**
 * Moves gates until for every row all of its own experts are `margin` above all others: passive-aggressive updates
 * (Crammer et al. 2006, section 3), each the least change that satisfies one row.
 */
export const fitSite = (site: FitSite, rows: readonly FittedRow[], margin: number): void => {
  const experts = site.gates.length / site.width;
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep += 1) {
    let moved = false;
    for (const [row, { experts: wanted }] of rows.entries()) {
      const logits = Array.from({ length: experts }, (_, expert) => logit(site, expert, row));
      const lowest = wanted.reduce((a, b) => ((logits[b] ?? 0) < (logits[a] ?? 0) ? b : a));
      const others = logits.flatMap((_, expert) => (wanted.includes(expert) ? [] : [expert]));
      const highest = others.reduce((a, b) => ((logits[b] ?? 0) > (logits[a] ?? 0) ? b : a));
      const lack = margin - ((logits[lowest] ?? 0) - (logits[highest] ?? 0));
      // A little short of the margin counts, or rounding would keep two rows at odds for ever.
      if (lack <= margin / 100) continue;
      moved = true;
      let squares = 0;
      for (let w = 0; w < site.width; w += 1) squares += (site.features[row * site.width + w] ?? 0) ** 2;
      const step = lack / (2 * squares);
      move(site, [lowest, row], step);
      move(site, [highest, row], -step);
    }
    if (!moved) return;
  }
};
