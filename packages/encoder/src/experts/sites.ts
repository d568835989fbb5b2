/** Routers and the linears that follow them. A site is one router: of a group, in one block. */
import type { BlockLinear } from '../blocks/linears.ts';
import type { LinearRef } from '../blocks/block-linears.ts';
import type { ResolvedEncoderConfig } from '../config/config.ts';
import type { ResolvedExperts } from '../config/expert-config.ts';
import type { ExpertGroup } from '../config/expert-groups.ts';

/** One router: the block it belongs to and the linears that follow its decision. */
export interface GateSite {
  /** Name of its group of experts. */
  readonly group: string;
  readonly block: number;
  readonly linears: readonly BlockLinear[];
}

/** The routers of a group, by block and then in the order of the linears: the order in which their parameters are stacked. */
export const groupSites = ({
  name,
  blocks,
  linears,
}: Pick<ExpertGroup, 'name' | 'blocks' | 'linears'>): readonly GateSite[] =>
  blocks.flatMap((block) => linears.map((members) => ({ group: name, block, linears: members })));

/** All routers of an encoder, group by group; empty for a dense one. */
export const gateSites = ({ moe }: Pick<ResolvedEncoderConfig, 'moe'>): readonly GateSite[] =>
  moe?.groups.flatMap(groupSites) ?? [];

/** The group that a linear belongs to, or undefined for a dense one. */
export const groupAt = (
  moe: ResolvedExperts | undefined,
  { block, linear }: LinearRef,
): ExpertGroup | undefined =>
  moe?.groups.find(
    ({ blocks, linears }) => blocks.includes(block) && linears.some((members) => members.includes(linear)),
  );
