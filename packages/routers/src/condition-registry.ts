/** Conditions by name: those of this package and those that other packages register. */
import { createRegistry } from '@polygate/core';
import { attributeFactory } from './attribute-condition.ts';
import { modalityFactory } from './modality-condition.ts';
import { contextFactory } from './context-condition.ts';
import type { Condition, DataDependentCondition, FixedCondition, LearnedCondition } from './condition.ts';
import type { ConditionFactory, RoutingKey } from './routing-key.ts';
import { taskFactory } from './task-condition.ts';
import { taskSpecificFactory } from './task-specific-condition.ts';
import { tokenFactory } from './token-condition.ts';

/** What the conditions of this package are, by name. Packages that register others may merge theirs into this interface. */
export interface NamedConditions {
  readonly token: DataDependentCondition;
  readonly context: DataDependentCondition;
  readonly modality: LearnedCondition<RoutingKey>;
  readonly task: LearnedCondition<RoutingKey>;
  readonly attribute: LearnedCondition<RoutingKey>;
  readonly 'task-specific': FixedCondition<RoutingKey>;
}

const registry = createRegistry<ConditionFactory>('condition', [
  tokenFactory,
  contextFactory,
  modalityFactory,
  taskFactory,
  attributeFactory,
  taskSpecificFactory,
]);

/**
 * Makes a condition known under its name, for the whole process. Call it before models that use it are built.
 * @returns the factory, with the type of the condition that it makes
 * @throws ConfigError when the name is taken
 */
export const registerCondition = <C extends Condition<RoutingKey>>(
  factory: ConditionFactory<C>,
): ConditionFactory<C> => registry.register(factory);

/**
 * The condition of a name. A name that is written out gives its own kind of condition; one that is read from somewhere
 * gives any, which `decide` and `routeTokens` take too and check.
 * @throws ConfigError listing the known names
 */
export function conditionNamed<Name extends keyof NamedConditions>(
  name: Name,
): ConditionFactory<NamedConditions[Name]>;
export function conditionNamed(name: string): ConditionFactory;
export function conditionNamed(name: string): ConditionFactory {
  return registry.named(name);
}

/** Names of all conditions, those of this package first. */
export const conditionNames = (): readonly string[] => registry.names();
