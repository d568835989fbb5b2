export { attributeCondition } from './attribute-condition.ts';
export { CONDITION_FIELDS, checkCondition } from './condition.ts';
export { conditionNamed, conditionNames, createCondition, registerCondition } from './condition-registry.ts';
export type { NamedConditions } from './condition-registry.ts';
export type {
  Condition,
  ConditionField,
  ConditionSize,
  DataDependentCondition,
  DataIndependentCondition,
  DescribedTokens,
  FixedCondition,
  LearnedCondition,
  Representation,
  RouterFlops,
  TokenContext,
  TokenRepresentation,
  TokenRun,
} from './condition.ts';
export type { GateDecision } from './decision.ts';
export { gate } from './gate.ts';
export type { GateOptions } from './gate.ts';
export { renormalizes } from './gate-math.ts';
export type { GateRule } from './gate-math.ts';
export type { NoiseOptions } from './noise.ts';
export { routeRows } from './router.ts';
export type { RouteRowsOptions } from './router.ts';
export { describeRouters } from './router-stack.ts';
export type { AnyRouterStack, RouterStack, TokenRouterStack } from './router-stack.ts';
export { routeTokens, unstackRouters } from './token-router.ts';
export type { WholeBatch } from './whole-batch.ts';
export type { RouteTokensOptions, SiteParameters, TokenDecision, TokenPlan } from './token-router.ts';
export type { AuxiliaryLoss, AuxiliaryLossInput, LossOfSums } from './auxiliary-loss.ts';
export {
  auxiliaryLossNamed,
  auxiliaryLossNames,
  registerAuxiliaryLoss,
  weightedRouterLoss,
  type RouterLoss,
  type RouterLosses,
} from './auxiliary-losses.ts';
export type { CapacityFactor } from './capacity.ts';
export type { TokenChoices } from './token-choice.ts';
export { addCounts, countRows, countTokens, routingTelemetry } from './telemetry.ts';
export type { CountRowsOptions, RoutingCounts, RoutingGroups, RoutingTelemetry } from './telemetry.ts';
export type { ConditionContext, ConditionFactory, RoutingKey } from './routing-key.ts';
export { moeLinear } from './moe-linear.ts';
export type { MoeLinear, MoeLinearCall, MoeLinearConfig, MoeLinearResult } from './moe-linear.ts';
export { MoeDense, moeDense } from './moe-dense.ts';
export type { MoeDenseConfig } from './moe-dense.ts';
