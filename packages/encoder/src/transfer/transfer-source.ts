/** Where a parameter of one encoder comes from in another: the vocabulary of transfer plans. */
import type { RoutingKey } from '@polygate/routers';
import type { EncoderConfig } from '../config/config.ts';
import { resolveEncoderConfig, type ResolvedEncoderConfig } from '../config/config.ts';
import { conditionOf, type ResolvedExperts } from '../config/expert-config.ts';
import type { MergedEncoderConfig, ResolvedMergedConfig } from '../merged/merged-config.ts';
import { isMergedConfig, resolveMergedConfig, setCount } from '../merged/merged-config.ts';
import { pathOf, type LinearPlace } from '../blocks/block-linears.ts';
import { isConditional } from '../experts/placement.ts';

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
  /** As it was drawn, then moved until each row chooses among its own experts. */
  | { readonly how: 'fitted'; readonly rows: readonly FittedRow[]; readonly margin: number }
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

/** The experts of a start, which a dense or merged one lacks. */
export const expertsOf = (start: StartConfig): ResolvedExperts | undefined =>
  'moe' in start ? start.moe : undefined;

/** Weight sets that a start has of one linear. */
export interface StartCopies {
  readonly kind: 'experts' | 'merged sets';
  readonly paths: readonly string[];
}

const numbered = (path: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${path}.${index}`);

/** The weight sets of a linear, or undefined where the start has one alone. */
export const copiesAt = (start: StartConfig, place: LinearPlace): StartCopies | undefined => {
  const path = pathOf(place);
  if (isMergedConfig(start)) {
    const { merged } = start;
    if (!isConditional(merged, place.block, place.linear)) return undefined;
    return { kind: 'merged sets', paths: numbered(`${path}.merged`, setCount(merged)) };
  }
  const moe = expertsOf(start);
  if (!moe || !isConditional(moe, place.block, place.linear)) return undefined;
  return { kind: 'experts', paths: numbered(`${path}.experts`, moe.experts) };
};

/** The mean of weight sets, which one alone is itself. */
export const meanOf = (paths: readonly string[], part: string): TransferSource => {
  const from = paths.map((path) => `${path}.${part}`);
  const [only = ''] = from;
  return from.length === 1 ? { how: 'copied', from: only } : { how: 'averaged', from };
};

/** Whether decisions are given by names and not learned. */
export const isFixed = (moe: ResolvedExperts): boolean => {
  const condition = conditionOf(moe);
  return condition.dataIndependent && condition.fixed === true;
};
