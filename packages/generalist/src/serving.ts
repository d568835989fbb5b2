/** Whether a model has weights for a family of tasks. */
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
