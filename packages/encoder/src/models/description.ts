/**
 * The parameters of an encoder as records, nothing allocated. To those of its body come `routers.*` (all routers
 * stacked), and a conditional linear has `experts.E.{weight,bias}` in place of `{weight,bias}`.
 */
import type { ParameterSpec } from '@polygate/nn';
import { describeRouters, type RouterStack, type RoutingKey, type TokenRouterStack } from '@polygate/routers';
import { pathOf, type LinearPlace } from '../blocks/block-linears.ts';
import { describeBody } from '../blocks/body-description.ts';
import { resolveEncoderConfig, type EncoderConfig, type ResolvedEncoderConfig } from '../config/config.ts';
import { conditionOf } from '../config/expert-config.ts';
import { gateSites, isConditional } from '../experts/placement.ts';

/** The routers of an encoder as one stack, or undefined for a dense one. */
export const routerStack = (
  config: ResolvedEncoderConfig,
): RouterStack<RoutingKey> | TokenRouterStack | undefined => {
  const { moe, width } = config;
  if (!moe) return undefined;
  const { experts, topK, renormalize, noise } = moe;
  const condition = conditionOf(moe);
  const stack = {
    prefix: 'routers',
    sites: gateSites(config).length,
    width,
    experts,
    topK,
    renormalize,
    noise,
  };
  // Written twice because the kind of the condition decides the kind of the stack.
  return condition.dataIndependent ? { ...stack, condition } : { ...stack, condition };
};

/** Path of one expert of a linear. */
export const expertPath = (place: LinearPlace, expert: number): string =>
  `${pathOf(place)}.experts.${expert}`;

/**
 * All parameters of an encoder, in a fixed order.
 * @throws ConfigError for a configuration that makes no encoder
 */
export const describeEncoder = (config: EncoderConfig): readonly ParameterSpec[] => {
  const resolved = resolveEncoderConfig(config);
  const { moe } = resolved;
  const routers = routerStack(resolved);
  return describeBody(resolved, {
    copies: (place) =>
      moe && isConditional(moe, place.block, place.linear)
        ? Array.from({ length: moe.experts }, (_, e) => expertPath(place, e))
        : undefined,
    routers: routers ? describeRouters(routers) : [],
  });
};
