/** The routers of each group of experts as a stack, and the parameters of an encoder with experts; nothing is allocated. */
import type { ParameterSpec } from '@polygate/nn';
import { describeRouters, type AnyRouterStack, type RoutingKey } from '@polygate/routers';
import { pathOf, type LinearRef } from '../blocks/block-linears.ts';
import { DEFAULT_GROUP } from '../config/expert-config.ts';
import type { ResolvedEncoderConfig } from '../config/config.ts';
import { conditionOf, type ExpertGroup } from '../config/expert-groups.ts';
import { groupSites } from './sites.ts';

/** Leading part of the names of a group's router parameters. */
const prefixOf = (name: string): string => (name === DEFAULT_GROUP ? 'routers' : `routers.${name}`);

/** The routers of a group. */
export const groupStack = (
  group: ExpertGroup,
  { moe, width }: Pick<ResolvedEncoderConfig, 'moe' | 'width'>,
): AnyRouterStack<RoutingKey> => {
  const { name, experts, topK, renormalize, noise } = group;
  return {
    prefix: prefixOf(name),
    sites: groupSites(group).length,
    width,
    experts,
    topK,
    ...(renormalize === undefined ? {} : { renormalize }),
    noise,
    condition: conditionOf(group, moe ?? { tasks: [], modalities: [] }),
  };
};

/** The parameters of all routers of an encoder, group by group. */
export const describeGroupRouters = (
  config: Pick<ResolvedEncoderConfig, 'moe' | 'width'>,
): readonly ParameterSpec[] =>
  config.moe?.groups.flatMap((group) => describeRouters(groupStack(group, config))) ?? [];

/** Path of one expert of a linear. */
export const expertPath = (ref: LinearRef, expert: number): string => `${pathOf(ref)}.experts.${expert}`;
