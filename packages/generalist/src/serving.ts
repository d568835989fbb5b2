/** Whether a model has weights for a family of tasks. */
import type { Logger } from '@polygate/core';
import { servingTask, type ServingOptions } from '@polygate/tasks';
import type { Generalist } from './models/model.ts';

/**
 * Whether a model has weights for a family: not where its experts go by tasks and it was trained on none of the family,
 * nor where it was exported for others.
 */
export const servesFamily = (
  model: Pick<Generalist, 'tasks' | 'serves'>,
  family: string,
  options: ServingOptions = {},
): boolean => model.serves({ name: servingTask(model, family, options) ?? '', family });

/** Says so where a model was trained on no task of a family: it answers all the same, but by what it learned of others. */
export const warnUntrained = ({ tasks }: Pick<Generalist, 'tasks'>, family: string, logger: Logger): void => {
  const families = tasks.map((task) => task.family);
  if (families.length === 0 || families.includes(family)) return;
  logger.warn(
    `this model was trained on no ${family}, only on ${[...new Set(families)].join(', ')}: what it says here is a guess`,
  );
};
