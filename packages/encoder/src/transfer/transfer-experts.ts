/**
 * Where the conditional linears of a model come from in a start with other experts, other placement, or none.
 *
 * An expert is known by its number where routers are learned, and by the row that it serves (a task's name) where the
 * choice is fixed. What has no counterpart starts as the mean of those that there are: y = sum of g_e W_e x is linear in
 * the weights, so the mean is what equal gates would compute, and lies amid all that the start's routers could choose.
 */
import type { FixedCondition, RoutingKey } from '@polygate/routers';
import { pathOf, type LinearRef } from '../blocks/block-linears.ts';
import { blockLinears } from '../blocks/linears.ts';
import type { ResolvedEncoderConfig } from '../config/config.ts';
import type { ExpertGroup } from '../config/expert-groups.ts';
import { groupAt } from '../experts/sites.ts';
import { isMergedConfig, keyOfRow } from '../merged/merged-config.ts';
import { shareSets, type SharedSets } from './transfer-gates.ts';
import {
  copiesAt,
  counterpartOf,
  fixedCondition,
  meanOf,
  namesOf,
  startGroupAt,
  type StartConfig,
  type StartCopies,
  type StartGroup,
  type TransferSource,
} from './transfer-source.ts';

/** Sources of one linear's weight and bias. */
export interface LinearTransfer {
  readonly source: (part: string) => TransferSource;
  readonly reason?: string;
}

const expertFor = (condition: FixedCondition<RoutingKey>, key: RoutingKey): number | undefined => {
  try {
    return condition.expertOf(key);
  } catch {
    // A row of the start that the model does not know.
    return undefined;
  }
};

/** Weight sets of a start's group that served the rows of each expert of a model's group whose choice is fixed. */
const setsOfFixed = (
  condition: FixedCondition<RoutingKey>,
  startGroup: StartGroup | undefined,
  start: StartConfig,
): ReadonlyMap<number, ReadonlySet<number>> => {
  const sets = new Map<number, Set<number>>();
  const note = (expert: number | undefined, set: number | undefined): void => {
    if (expert !== undefined && set !== undefined) sets.set(expert, (sets.get(expert) ?? new Set()).add(set));
  };
  if (!startGroup) return sets;
  const { reads } = condition;
  if (startGroup.kind === 'merged sets') {
    const { by, rows } = startGroup.group;
    if (!reads.every((field) => (by as readonly string[]).includes(field))) return sets;
    for (const row of rows) note(expertFor(condition, keyOfRow(row)), row.set);
    return sets;
  }
  if (isMergedConfig(start)) return sets;
  const other = fixedCondition(startGroup.group, namesOf(start));
  // Rows that differ in more than the task's name can't be listed.
  if (!other || reads.join() !== 'task' || other.reads.join() !== 'task') return sets;
  for (const task of namesOf(start).tasks) {
    const key = keyOfRow({ task });
    note(expertFor(condition, key), expertFor(other, key));
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

/** Query, key and value of a start that has them in one linear: their rows of it. */
const PARTS: readonly string[] = ['attention.query', 'attention.key', 'attention.value'];

/**
 * The source of a linear that the start's blocks do not have: a part of its fused query, key and value, or nothing.
 * @returns undefined for one that they have
 */
const otherBlock = (
  { width }: ResolvedEncoderConfig,
  start: StartConfig,
  { block, linear }: LinearRef,
): LinearTransfer | undefined => {
  if (blockLinears(start).some(({ name }) => name === linear)) return undefined;
  const index = PARTS.indexOf(linear);
  const fused = { block, linear: 'attention.qkv' };
  if (index < 0 || copiesAt(start, fused)) {
    return { source: () => ({ how: 'new' }), reason: 'a linear that the blocks of the start do not have' };
  }
  return {
    source: (part) => ({
      how: 'partly taken',
      from: `${pathOf(fused)}.${part}`,
      rowSize: part === 'weight' ? width : 1,
      rows: Array.from({ length: width }, (_, row) => [row, index * width + row] as const),
    }),
    reason: 'its rows of the fused query, key and value of the start',
  };
};

/** What the experts of one group of the model go by, in linears that one group of the start is at. */
interface GroupTransfer {
  readonly served?: ReadonlyMap<number, ReadonlySet<number>>;
  readonly shared?: SharedSets | undefined;
  /** Whether routers chose in the start's group. */
  readonly learnedStart: boolean;
}

const groupTransfer = (
  group: ExpertGroup,
  startGroup: StartGroup,
  { model, start }: { readonly model: ResolvedEncoderConfig; readonly start: StartConfig },
): GroupTransfer => {
  const fixed = fixedCondition(group, namesOf(model));
  const learnedStart =
    startGroup.kind === 'experts' &&
    !isMergedConfig(start) &&
    fixedCondition(startGroup.group, namesOf(start)) === undefined;
  // Gates are fitted to the merged sets of the counterpart: they say nothing of those of another group.
  const isFitted = startGroup.group.name === counterpartOf(group, start)?.group.name;
  return {
    ...(fixed ? { served: setsOfFixed(fixed, startGroup, start) } : {}),
    shared:
      isFitted && startGroup.kind === 'merged sets'
        ? shareSets(group, namesOf(model), startGroup.group)
        : undefined,
    learnedStart,
  };
};

/** What experts go by, worked out once for each pair of a model's and a start's group. */
const groupTransfers = (
  model: ResolvedEncoderConfig,
  start: StartConfig,
): ((ref: LinearRef) => GroupTransfer | undefined) => {
  const pairs = new Map<string, GroupTransfer>();
  return (ref) => {
    const [group, startGroup] = [groupAt(model.moe, ref), startGroupAt(start, ref)];
    if (!group || !startGroup) return undefined;
    const pair = `${group.name}\n${startGroup.group.name}`;
    const transfer = pairs.get(pair) ?? groupTransfer(group, startGroup, { model, start });
    pairs.set(pair, transfer);
    return transfer;
  };
};

/** The source of every expert of every conditional linear. */
export const expertTransfer = (
  model: ResolvedEncoderConfig,
  start: StartConfig,
): ((ref: LinearRef, expert: number) => LinearTransfer) => {
  const transferAt = groupTransfers(model, start);
  return (ref, expert) => {
    const other = otherBlock(model, start, ref);
    if (other) return other;
    const transfer = transferAt(ref);
    const copies = copiesAt(start, ref);
    if (!copies || !transfer) {
      return {
        source: (part) => ({ how: 'copied', from: `${pathOf(ref)}.${part}` }),
        reason: 'experts where the start has one dense layer: copies of it',
      };
    }
    const { served, shared, learnedStart } = transfer;
    if (served) {
      const sets = [...(served.get(expert) ?? [])];
      return sets.length > 0
        ? fromCopies(copies, sets, 'an expert whose row had several sets in the start')
        : fromCopies(
            copies,
            all(copies),
            learnedStart
              ? 'an expert of a fixed row, where routers chose among those of the start'
              : 'an expert of a task that the start does not know',
          );
    }
    if (copies.kind === 'merged sets') {
      const sets = copies.paths.length;
      const set = sets === 1 ? 0 : shared?.setOf[expert];
      return set === undefined
        ? fromCopies(copies, all(copies), 'experts that no row of the start can be sent to')
        : {
            source: (part) => ({ how: 'copied', from: `${copies.paths[set]}.${part}` }),
            reason:
              sets === 1
                ? 'experts where the start has one merged set: copies of it'
                : `experts shared out among the start's ${sets} merged sets`,
          };
    }
    if (!learnedStart) {
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
export const denseTransfer = (
  model: ResolvedEncoderConfig,
  start: StartConfig,
  ref: LinearRef,
): LinearTransfer => {
  const other = otherBlock(model, start, ref);
  if (other) return other;
  const copies = copiesAt(start, ref);
  if (!copies) return { source: (part) => ({ how: 'taken', from: `${pathOf(ref)}.${part}` }) };
  const { kind, paths } = copies;
  return {
    source: (part) => meanOf(paths, part),
    reason: `one dense layer where the start has ${paths.length} ${kind}: their mean`,
  };
};

/** Whether experts of one of these linears start as copies of what the start has without gates. */
export const copiesWhole = (start: StartConfig, refs: readonly LinearRef[]): boolean =>
  refs.some((ref) => copiesAt(start, ref)?.kind !== 'experts');
