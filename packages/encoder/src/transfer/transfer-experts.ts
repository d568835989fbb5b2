/**
 * Where the conditional linears of a model come from in a start with other experts, other placement, or none.
 *
 * An expert is known by its number where routers are learned, and by the row that it serves (a task's name) where the
 * choice is fixed. What has no counterpart starts as the mean of those that there are: y = sum of g_e W_e x is linear in
 * the weights, so the mean is what equal gates would compute, and lies amid all that the start's routers could choose.
 */
import type { FixedCondition, RoutingKey } from '@polygate/routers';
import type { LinearPlace } from '../blocks/block-linears.ts';
import { conditionOf, type ResolvedExperts } from '../config/expert-config.ts';
import { isMergedConfig, keyOfRow } from '../merged/merged-config.ts';
import { shareSets } from './transfer-gates.ts';
import {
  copiesAt,
  expertsOf,
  isFixed,
  meanOf,
  type StartConfig,
  type StartCopies,
  type TransferSource,
} from './transfer-source.ts';

/** Sources of one linear's weight and bias. */
export interface LinearTransfer {
  readonly source: (part: string) => TransferSource;
  readonly reason?: string;
}

const fixedCondition = (moe: ResolvedExperts): FixedCondition<RoutingKey> | undefined => {
  const condition = conditionOf(moe);
  return condition.dataIndependent && condition.fixed === true ? condition : undefined;
};

const expertFor = (condition: FixedCondition<RoutingKey>, key: RoutingKey): number | undefined => {
  try {
    return condition.expertOf(key);
  } catch {
    // A row of the start that the model does not know.
    return undefined;
  }
};

/** Weight sets of the start that served the rows of each expert of a model whose choice is fixed. */
const setsOfFixed = (
  condition: FixedCondition<RoutingKey>,
  start: StartConfig,
): ReadonlyMap<number, ReadonlySet<number>> => {
  const sets = new Map<number, Set<number>>();
  const note = (expert: number | undefined, set: number | undefined): void => {
    if (expert !== undefined && set !== undefined) sets.set(expert, (sets.get(expert) ?? new Set()).add(set));
  };
  const needed = condition.reads;
  if (isMergedConfig(start)) {
    const { by, rows } = start.merged;
    if (!needed.every((field) => (by as readonly string[]).includes(field))) return sets;
    for (const row of rows) note(expertFor(condition, keyOfRow(row)), row.set);
    return sets;
  }
  const moe = expertsOf(start);
  const own = moe && fixedCondition(moe);
  // Rows that differ in more than the task's name can't be listed.
  if (!own || needed.join() !== 'task' || own.reads.join() !== 'task') return sets;
  for (const task of moe.tasks) {
    const key = keyOfRow({ task });
    note(expertFor(condition, key), expertFor(own, key));
  }
  return sets;
};

const fromCopies = ({ kind, paths }: StartCopies, sets: readonly number[], why: string): LinearTransfer => {
  const chosen = sets.map((set) => paths[set] ?? '');
  const [path = ''] = chosen;
  return chosen.length === 1
    ? { source: (part) => ({ how: 'taken', from: `${path}.${part}` }) }
    : {
        source: (part) => meanOf(chosen, part),
        reason: `${why}: the mean of the start's ${chosen.length} ${kind}`,
      };
};

const all = ({ paths }: StartCopies): readonly number[] => paths.map((_, index) => index);

/** The source of every expert of every conditional linear. */
export const expertTransfer = (
  moe: ResolvedExperts,
  start: StartConfig,
): ((place: LinearPlace, expert: number) => LinearTransfer) => {
  const fixed = fixedCondition(moe);
  const served = fixed ? setsOfFixed(fixed, start) : undefined;
  const startMoe = expertsOf(start);
  const shared = isMergedConfig(start) ? shareSets(moe, start) : undefined;
  return (place, expert) => {
    const copies = copiesAt(start, place);
    if (!copies) {
      return {
        source: (part) => ({ how: 'copied', from: `blocks.${place.block}.${place.linear}.${part}` }),
        reason: 'experts where the start has one dense layer: copies of it',
      };
    }
    if (served) {
      const own = [...(served.get(expert) ?? [])];
      return own.length > 0
        ? fromCopies(copies, own, 'an expert whose row had several sets in the start')
        : fromCopies(copies, all(copies), `an expert of a task that the start does not know`);
    }
    if (copies.kind === 'merged sets') {
      const sets = copies.paths.length;
      const own = sets === 1 ? 0 : shared?.setOf[expert];
      return own === undefined
        ? fromCopies(copies, all(copies), 'experts that no row of the start can be sent to')
        : {
            source: (part) => ({ how: 'copied', from: `${copies.paths[own]}.${part}` }),
            reason:
              sets === 1
                ? 'experts where the start has one merged set: copies of it'
                : `experts shared out among the start's ${sets} merged sets`,
          };
    }
    if (startMoe && isFixed(startMoe)) {
      return fromCopies(
        copies,
        all(copies),
        'experts that routers choose, where those of the start were fixed',
      );
    }
    return expert < copies.paths.length
      ? fromCopies(copies, [expert], '')
      : fromCopies(copies, all(copies), `more experts than the start's ${copies.paths.length}`);
  };
};

/** The source of a linear without experts in the model. */
export const denseTransfer = (start: StartConfig, place: LinearPlace): LinearTransfer => {
  const copies = copiesAt(start, place);
  if (!copies)
    return { source: (part) => ({ how: 'taken', from: `blocks.${place.block}.${place.linear}.${part}` }) };
  const { kind, paths } = copies;
  return {
    source: (part) => meanOf(paths, part),
    reason: `one dense layer where the start has ${paths.length} ${kind}: their mean`,
  };
};

/** Whether experts of one of these linears start as copies of what the start has without gates. */
export const copiesWhole = (start: StartConfig, places: readonly LinearPlace[]): boolean =>
  places.some((place) => copiesAt(start, place)?.kind !== 'experts');
