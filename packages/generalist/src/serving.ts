/** Which task of a model a prediction or an evaluation serves: routers may look at it. */
import { unknownName } from '@polygate/core';
import type { TaskFamily } from '@polygate/tasks';
import type { Generalist } from './models/uni-perceiver/uni-perceiver-model.ts';
import type { ModelConfig } from './models/model-config.ts';
import { taskSegments } from './task-segments.ts';

/** What is asked of a model. */
export interface ServingOptions {
  /** Name of the task, where the caller knows it. */
  readonly task?: string | undefined;
  /** Dataset that is evaluated; the task that was trained on it is preferred. */
  readonly dataset?: string | undefined;
}

/**
 * The task that serves a family: the one asked for, else the one trained on the dataset, else the family's first.
 * @returns undefined where the model was trained on no task of the family, or doesn't say
 * @throws ConfigError for a task that the model wasn't trained on (lists those that it was)
 */
export const servingTask = (
  { tasks = [] }: Pick<ModelConfig, 'tasks'>,
  family: TaskFamily,
  { task, dataset }: ServingOptions = {},
): string | undefined => {
  const names = tasks.map(({ name }) => name);
  if (task !== undefined) {
    if (tasks.length > 0 && !names.includes(task)) throw unknownName('task', task, names);
    return task;
  }
  const own = tasks.filter((each) => each.family === family);
  return (own.find((each) => each.dataset === dataset) ?? own[0])?.name;
};

/**
 * Whether a model has weights for a family: not where its experts go by tasks and it was trained on none of the family,
 * nor where it was exported for others.
 */
export const servesFamily = (
  { config, encoder }: Pick<Generalist, 'config' | 'encoder'>,
  family: TaskFamily,
  options: ServingOptions = {},
): boolean => {
  const name = servingTask(config, family, options) ?? '';
  return taskSegments({ name, family }).every((segment) => encoder.serves(segment));
};
