/** Conditions by name: those of this package and those that other packages register. */
import { checkSettings, ConfigError, createRegistry, excerpt } from '@polygate/core';
import { attributeFactory } from './attribute-condition.ts';
import { modalityFactory } from './modality-condition.ts';
import { contextFactory } from './context-condition.ts';
import {
  checkCondition,
  type Condition,
  type DataDependentCondition,
  type FixedCondition,
  type LearnedCondition,
} from './condition.ts';
import {
  conditionShape,
  type ConditionContext,
  type ConditionFactory,
  type RoutingKey,
} from './routing-key.ts';
import { taskFactory } from './task-condition.ts';
import { taskSpecificFactory } from './task-specific-condition.ts';
import { tokenByModalityFactory, tokenByTaskFactory } from './token-by-name-condition.ts';
import { tokenFactory } from './token-condition.ts';

/** What the conditions of this package are, by name. Packages that register others may merge theirs into this interface. */
export interface NamedConditions {
  readonly token: DataDependentCondition;
  readonly context: DataDependentCondition;
  readonly 'token-by-modality': DataDependentCondition;
  readonly 'token-by-task': DataDependentCondition;
  readonly modality: LearnedCondition<RoutingKey>;
  readonly task: LearnedCondition<RoutingKey>;
  readonly attribute: LearnedCondition<RoutingKey>;
  readonly 'task-specific': FixedCondition<RoutingKey>;
}

const factories: readonly ConditionFactory[] = [
  tokenFactory,
  contextFactory,
  tokenByModalityFactory,
  tokenByTaskFactory,
  modalityFactory,
  taskFactory,
  attributeFactory,
  taskSpecificFactory,
];

const conditions = createRegistry<ConditionFactory>('condition', factories, conditionShape);

/**
 * Makes a condition known under its name, for the whole process. Call it before models that use it are built.
 * @returns the factory, with the type of the condition that it makes
 * @throws ConfigError when the name is taken, or no name for a recipe, or (code `record`) a field is not as a condition's
 */
export const registerCondition = <C extends Condition<RoutingKey>>(
  factory: ConditionFactory<C>,
): ConditionFactory<C> => conditions.register(factory);

/**
 * The condition of a name. A name that is written out gives its own kind of condition; one that is read from somewhere
 * gives any, which `routeRows` and `routeTokens` take too and check.
 * @throws ConfigError listing the known names
 */
export function conditionNamed<Name extends keyof NamedConditions>(
  name: Name,
): ConditionFactory<NamedConditions[Name]>;
export function conditionNamed(name: string): ConditionFactory;
export function conditionNamed(name: string): ConditionFactory {
  return conditions.named(name);
}

/**
 * The condition of a name for a model, its settings checked by its schema and its declarations by
 * {@link checkCondition}.
 * @throws ConfigError listing the known names, for settings that it does not have, or for a condition that does not say
 * what it reads and costs
 */
export const createCondition = (name: string, context: ConditionContext): Condition<RoutingKey> => {
  const factory = conditions.named(name);
  const { settings: given = {} } = context;
  const { settings: schema } = factory;
  if (!schema && Object.keys(given).length > 0) {
    throw new ConfigError(
      `${name} condition: expected no settings of its own, got ${excerpt(given)}; leave conditionSettings out`,
      { fields: { condition: name, settings: given } },
    );
  }
  const settings = schema ? checkSettings(schema, given, `${name} condition`) : {};
  const condition = factory.create({ ...context, settings });
  checkCondition(condition);
  return condition;
};

/** Names of all conditions, those of this package first. */
export const conditionNames = (): readonly string[] => conditions.names();
