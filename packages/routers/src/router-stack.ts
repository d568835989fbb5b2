/**
 * All routers of a model as one stack before it has parameters, and the description of those.
 *
 * S sites · E experts · D model width · W width of the representation
 */
import { ConfigError } from '@polygate/core';
import type { ParameterSpec } from '@polygate/nn';
import type { DataDependentCondition, DataIndependentCondition, FixedCondition } from './condition.ts';
import { checkGateRule, type GateRule } from './gate-math.ts';

interface StackBase extends GateRule {
  /** Leading part of the parameters' names, e.g. `routers`. */
  readonly prefix: string;
  /** Number of routers S. */
  readonly sites: number;
  /** Model width D. */
  readonly width: number;
  /** Standard deviation of the training noise in units of 1 / E. @default 1 */
  readonly noise?: number;
}

/** Routers whose decisions are known before tokens are: see `decide`. */
export interface RouterStack<Key> extends StackBase {
  readonly condition: DataIndependentCondition<Key>;
}

/** Routers that decide for each token: see `routeTokens`. */
export interface TokenRouterStack extends StackBase {
  readonly condition: DataDependentCondition;
}

/** Refuses a stack that a fixed condition can't serve. @throws ConfigError */
export const checkFixedStack = <Key>(
  { name, experts: needed }: FixedCondition<Key>,
  { experts, topK }: GateRule,
): void => {
  if (experts !== needed || topK !== 1) {
    throw new ConfigError(
      `${name} condition: expected ${needed} experts and topK 1 (one expert for each of its rows), got ${experts} experts and topK ${topK ?? 'unset'}; set experts to ${needed} and topK to 1`,
      { fields: { condition: name, experts, topK, needed } },
    );
  }
};

/**
 * Parameters of a stack: the condition's, then `PREFIX.gate.weight` [S, E, W]. None where decisions are fixed.
 * @throws ConfigError for an impossible gate rule or a stack without sites
 */
export const describeRouters = <Key>(
  stack: RouterStack<Key> | TokenRouterStack,
): readonly ParameterSpec[] => {
  checkGateRule(stack);
  const { condition, prefix, sites, width, experts } = stack;
  if (!Number.isInteger(sites) || sites < 1) {
    throw new ConfigError(
      `routers: expected a whole number of sites of at least 1, got ${sites}; leave the stack out of a dense model`,
    );
  }
  if (condition.dataIndependent && condition.fixed) {
    checkFixedStack(condition, stack);
    return [];
  }
  const representationWidth = condition.representationWidth({ width, sites });
  return [
    ...condition.parameters({ width, sites }).map((spec) => ({ ...spec, name: `${prefix}.${spec.name}` })),
    {
      name: `${prefix}.gate.weight`,
      shape: [sites, experts, representationWidth],
      initializer: { kind: 'xavierUniform', fans: [representationWidth, experts] },
      role: 'gate',
    },
  ];
};
