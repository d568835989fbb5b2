/**
 * The parameters of an encoder as records, nothing allocated. To those of its body come `routers.*` (all routers of a
 * group stacked), and a conditional linear has `experts.E.{weight,bias}` in place of `{weight,bias}`.
 */
import type { ParameterSpec } from '@polygate/nn';
import { describeBody } from '../blocks/body-description.ts';
import { resolveEncoderConfig, type EncoderConfig } from '../config/config.ts';
import { describeGroupRouters, expertPath } from '../experts/group-routers.ts';
import { groupAt } from '../experts/sites.ts';

/**
 * All parameters of an encoder, in a fixed order.
 * @throws ConfigError for a configuration that makes no encoder
 */
export const describeEncoder = (config: EncoderConfig): readonly ParameterSpec[] => {
  const resolved = resolveEncoderConfig(config);
  return describeBody(resolved, {
    copies: (ref) => {
      const group = groupAt(resolved.moe, ref);
      return group && Array.from({ length: group.experts }, (_, e) => expertPath(ref, e));
    },
    routers: describeGroupRouters(resolved),
  });
};
