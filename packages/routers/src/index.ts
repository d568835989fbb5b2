export { attributeCondition, ATTRIBUTE_COUNT } from './attribute-condition.ts';
export { conditionNamed, conditionNames, registerCondition } from './condition-registry.ts';
export type {
  Condition,
  ConditionSize,
  DataDependentCondition,
  DataIndependentCondition,
  FixedCondition,
  LearnedCondition,
  Representation,
  TokenContext,
} from './condition.ts';
export type { GateDecision } from './decision.ts';
export { gate } from './gate.ts';
export type { GateOptions } from './gate.ts';
export type { GateRule } from './gate-math.ts';
export type { NoiseOptions } from './noise.ts';
export { decide, describeRouters } from './router.ts';
export type { DecideOptions, RouterStack } from './router.ts';
export { decisionTelemetry } from './telemetry.ts';
export type { DecisionTelemetry } from './telemetry.ts';
export type { ConditionContext, ConditionFactory, RoutingKey } from './routing-key.ts';
