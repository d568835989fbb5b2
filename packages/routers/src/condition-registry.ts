/** Conditions by name: those of this package and those that other packages register. */
import { ConfigError, unknownName } from '@polygate/core';
import { attributeFactory } from './attribute-condition.ts';
import { modalityFactory } from './modality-condition.ts';
import { contextFactory } from './context-condition.ts';
import type { ConditionFactory } from './routing-key.ts';
import { taskFactory } from './task-condition.ts';
import { taskSpecificFactory } from './task-specific-condition.ts';
import { tokenFactory } from './token-condition.ts';

const factories = new Map<string, ConditionFactory>(
  [tokenFactory, contextFactory, modalityFactory, taskFactory, attributeFactory, taskSpecificFactory].map(
    (factory) => [factory.name, factory],
  ),
);

/**
 * Makes a condition known under its name, for the whole process. Call it before models that use it are built.
 * @throws ConfigError when the name is taken
 */
export const registerCondition = (factory: ConditionFactory): void => {
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
};

/** @throws ConfigError listing the known names */
export const conditionNamed = (name: string): ConditionFactory => {
  const factory = factories.get(name);
  if (!factory) throw unknownName('condition', name, conditionNames());
  return factory;
};

/** Names of all conditions, those of this package first. */
export const conditionNames = (): readonly string[] => [...factories.keys()];
