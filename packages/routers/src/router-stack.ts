/**
 * All routers of a model as one stack before it has parameters, and the description of those.
 *
 * S sites · E experts · D model width · W width of the representation
 */
import { ConfigError } from '@polygate/core';
import type { ParameterSpec } from '@polygate/nn';
import {
  checkCondition,
  type Condition,
  type DataDependentCondition,
  type DataIndependentCondition,
  type FixedCondition,
} from './condition.ts';
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

/** Routers whose decisions are known before tokens are: see `routeRows`. */
export interface RouterStack<Key> extends StackBase {
  readonly condition: DataIndependentCondition<Key>;
}

/** Routers that decide for each token: see `routeTokens`. */
export interface TokenRouterStack extends StackBase {
  readonly condition: DataDependentCondition;
}

/** Routers of a condition whose kind is only known when the program runs, as of `conditionNamed` with a name from a file. */
export interface AnyRouterStack<Key> extends StackBase {
  readonly condition: Condition<Key>;
}

/** The stack as one of decisions by rows. @throws ConfigError for a condition on tokens */
export const stackOfRows = <Key>(stack: AnyRouterStack<Key>): RouterStack<Key> => {
  const { condition } = stack;
  if (condition.dataIndependent) return { ...stack, condition };
  throw new ConfigError(
    `routeRows: expected a condition that is known before tokens are, got "${condition.name}", which looks at each token; use routeTokens`,
    { fields: { condition: condition.name } },
  );
};

/** The stack as one of decisions by tokens. @throws ConfigError for a condition on rows */
export const stackOfTokens = <Key>(stack: AnyRouterStack<Key>): TokenRouterStack => {
  const { condition } = stack;
  if (!condition.dataIndependent) return { ...stack, condition };
  throw new ConfigError(
    `routeTokens: expected a condition on tokens, got "${condition.name}", which decides for rows; use routeRows`,
    { fields: { condition: condition.name } },
  );
};

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
export const describeRouters = <Key>(stack: AnyRouterStack<Key>): readonly ParameterSpec[] => {
  checkGateRule(stack);
  checkCondition(stack.condition);
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
