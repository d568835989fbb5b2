/** Conditions by name: those of this package and those that other packages register. */
import { ConfigError, unknownName } from '@polygate/core';
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

const own: readonly ConditionFactory[] = [
  tokenFactory,
  contextFactory,
  modalityFactory,
  taskFactory,
  attributeFactory,
  taskSpecificFactory,
];

const factories = new Map<string, ConditionFactory>(own.map((factory) => [factory.name, factory]));

/**
 * Makes a condition known under its name, for the whole process. Call it before models that use it are built.
 * @returns the factory, with the type of the condition that it makes
 * @throws ConfigError when the name is taken
 */
export const registerCondition = <C extends Condition<RoutingKey>>(
  factory: ConditionFactory<C>,
): ConditionFactory<C> => {
  const { name } = factory;
  if (!/^[a-z][a-z0-9-]*$/u.test(name)) {
    throw new ConfigError(
      `registerCondition: expected a name of lower-case letters, digits and hyphens, got "${name}"; recipes and file names use it`,
      { fields: { name } },
    );
  }
  if (factories.has(name)) {
    throw new ConfigError(
      `registerCondition: expected a name that is free, got "${name}"; choose another, taken are ${conditionNames().join(', ')}`,
      { fields: { name } },
    );
  }
  factories.set(name, factory);
  return factory;
};

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
  const factory = factories.get(name);
  if (!factory) throw unknownName('condition', name, conditionNames());
  return factory;
}

/** Names of all conditions, those of this package first. */
export const conditionNames = (): readonly string[] => [...factories.keys()];
