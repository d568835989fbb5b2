/** Tasks of mini-GLUE by name: those of this package and those that other packages register. */
import { createRegistry } from '@polygate/core';
import { definitionMatch } from './definition-match.ts';
import { fortuneTopic } from './fortune-topic.ts';
import { spam } from './spam.ts';
import { substitutionInference } from './substitution-inference.ts';
import { supersenseNoun, supersenseVerb } from './supersense.ts';
import type { UnderstandingTask } from './understanding-task.ts';
import { versePairs } from './verse-pairs.ts';
import { wordInContext } from './word-in-context.ts';

const registry = createRegistry<UnderstandingTask>('understanding task', [
  wordInContext,
  supersenseNoun,
  supersenseVerb,
  definitionMatch,
  substitutionInference,
  versePairs,
  fortuneTopic,
  spam,
]);

/** Makes a task available to the source `mini-glue`. @throws ConfigError for a name that is taken */
export const registerUnderstandingTask = registry.register;
/** The task of a name. @throws ConfigError listing the registered ones */
export const understandingTaskNamed = registry.named;
/** Names of all tasks, those of this package first. */
export const understandingTaskNames = registry.names;
