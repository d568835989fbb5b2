/** Which task of a model a prediction or an evaluation serves: routers may look at it. */
import { unknownName } from '@polygate/core';
import type { TaskModel, TrainedTask } from './model.ts';

/** What is asked of a model. */
export interface ServingOptions {
  /** Name of the task, where the caller knows it. */
  readonly task?: string | undefined;
  /** Dataset that is evaluated; the task that was trained on it is preferred. */
  readonly dataset?: string | undefined;
}

/**
 * The trained task that serves a family: the one asked for, else the one trained on the dataset, else the family's first.
 * @returns undefined where the model was trained on no task of the family, or doesn't say
 * @throws ConfigError for a task that the model wasn't trained on (lists those that it was)
 */
export const servedTask = (
  { tasks }: Pick<TaskModel, 'tasks'>,
  family: string,
  { task, dataset }: ServingOptions = {},
): TrainedTask | undefined => {
  if (task !== undefined) {
    const trained = tasks.find(({ name }) => name === task);
    if (tasks.length > 0 && !trained) {
      throw unknownName(
        'task',
        task,
        tasks.map(({ name }) => name),
      );
    }
    return trained;
  }
  const ofFamily = tasks.filter((each) => each.family === family);
  return ofFamily.find((each) => each.dataset === dataset) ?? ofFamily[0];
};

/** The name of {@link servedTask}; a task that is asked for by name is taken where the model doesn't say its own. */
export const servingTask = (
  model: Pick<TaskModel, 'tasks'>,
  family: string,
  options: ServingOptions = {},
): string | undefined => servedTask(model, family, options)?.name ?? options.task;
