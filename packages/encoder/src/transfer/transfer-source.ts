/** Where a parameter of one encoder comes from in another: the vocabulary of transfer plans. */
import type { FixedCondition, RoutingKey } from '@polygate/routers';
import type { EncoderConfig } from '../config/config.ts';
import { resolveEncoderConfig, type ResolvedEncoderConfig } from '../config/config.ts';
import { DEFAULT_GROUP } from '../config/expert-config.ts';
import { conditionOf, type ConditionNames, type ExpertGroup } from '../config/expert-groups.ts';
import {
  isMergedConfig,
  mergedGroupAt,
  resolveMergedConfig,
  setCount,
  type MergedEncoderConfig,
  type MergedGroup,
  type ResolvedMergedConfig,
} from '../merged/merged-config.ts';
import { pathOf, type LinearRef } from '../blocks/block-linears.ts';
import { groupAt, groupSites } from '../experts/sites.ts';

/** A row of a parameter and the row of the start that it takes; both count rows of the same size. */
export type RowPair = readonly [to: number, from: number];

/** A row of the start and the experts that compute what the start did for it. */
export interface FittedRow {
  readonly key: RoutingKey;
  readonly experts: readonly number[];
}

/** How a parameter gets its values. */
export type TransferSource =
  /** One of the start's, as it is. */
  | { readonly how: 'taken'; readonly from: string }
  /** An expert that starts as a copy of the one weight that the start has in its place. */
  | { readonly how: 'copied'; readonly from: string }
  /** The mean of the start's experts or merged sets: what equal gates would make of them. */
  | { readonly how: 'averaged'; readonly from: readonly string[] }
  /** Some rows of `rowSize` scalars; the others stay as they were drawn. */
  | {
      readonly how: 'partly taken';
      readonly from: string;
      readonly rowSize: number;
      readonly rows: readonly RowPair[];
    }
  /** Rows of `rowSize` scalars between those of the start, of which there are more or fewer. */
  | { readonly how: 'interpolated'; readonly from: string; readonly rowSize: number }
  /** As it was drawn, then moved until each row chooses among its own experts. */
  | {
      readonly how: 'fitted';
      /** Group of experts that the gates belong to. */
      readonly group: string;
      readonly rows: readonly FittedRow[];
      readonly margin: number;
    }
  /** As it was drawn. */
  | { readonly how: 'new' };

/** A parameter of the model with its source. */
export interface TransferEntry {
  readonly name: string;
  readonly source: TransferSource;
  /** Why it is not simply taken. @default it is */
  readonly reason?: string;
}

/** A start: an encoder with trained experts, a dense one, or one with merged experts. */
export type StartConfig = ResolvedEncoderConfig | ResolvedMergedConfig;

/** Fills in the defaults of either kind. @throws ConfigError naming the field */
export const resolveStart = (config: EncoderConfig | MergedEncoderConfig): StartConfig =>
  isMergedConfig(config) ? resolveMergedConfig(config) : resolveEncoderConfig(config);

/** How settings call a group of experts. */
export const groupPath = (name: string): string => (name === DEFAULT_GROUP ? 'moe' : `moe.groups.${name}`);

/** Names that a start's conditions may route by. */
export const namesOf = (config: ResolvedEncoderConfig): ConditionNames =>
  config.moe ?? { tasks: [], modalities: [] };

/** A group that a start has. */
export type StartGroup =
  | { readonly kind: 'experts'; readonly group: ExpertGroup }
  | { readonly kind: 'merged sets'; readonly group: MergedGroup };

/** The group of a start that a linear is in, or undefined where it has one weight set. */
export const startGroupAt = (start: StartConfig, ref: LinearRef): StartGroup | undefined => {
  if ('merged' in start) {
    const group = start.merged.groups[mergedGroupAt(start.merged, ref) ?? -1];
    return group && { kind: 'merged sets', group };
  }
  const group = groupAt(start.moe, ref);
  return group && { kind: 'experts', group };
};

/**
 * The group of a start that stands where a model's group does: the one that has linears of it, where that is one alone;
 * of several the one of the same name.
 */
export const counterpartOf = (group: ExpertGroup, start: StartConfig): StartGroup | undefined => {
  const groups = new Map<string, StartGroup>();
  for (const { block, linears } of groupSites(group)) {
    for (const linear of linears) {
      const other = startGroupAt(start, { block, linear });
      if (other) groups.set(other.group.name, other);
    }
  }
  return groups.size === 1 ? [...groups.values()][0] : groups.get(group.name);
};

/** Weight sets that a start has of one linear. */
export interface StartCopies {
  readonly kind: 'experts' | 'merged sets';
  readonly paths: readonly string[];
}

const numbered = (path: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${path}.${index}`);

/** The weight sets of a linear, or undefined where the start has one alone. */
export const copiesAt = (start: StartConfig, ref: LinearRef): StartCopies | undefined => {
  const path = pathOf(ref);
  const startGroup = startGroupAt(start, ref);
  if (!startGroup) return undefined;
  return startGroup.kind === 'experts'
    ? { kind: startGroup.kind, paths: numbered(`${path}.experts`, startGroup.group.experts) }
    : { kind: startGroup.kind, paths: numbered(`${path}.merged`, setCount(startGroup.group)) };
};

/** The mean of weight sets, which one alone is itself. */
export const meanOf = (paths: readonly string[], part: string): TransferSource => {
  const from = paths.map((path) => `${path}.${part}`);
  const [only = ''] = from;
  return from.length === 1 ? { how: 'copied', from: only } : { how: 'averaged', from };
};

/** The condition of a group whose decisions are given by names and not learned. */
export const fixedCondition = (
  group: ExpertGroup,
  names: ConditionNames,
): FixedCondition<RoutingKey> | undefined => {
  const condition = conditionOf(group, names);
  return condition.dataIndependent && condition.fixed === true ? condition : undefined;
};
