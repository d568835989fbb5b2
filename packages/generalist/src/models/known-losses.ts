import { ConfigError } from '@polygate/core';
import type { TaskBatch } from '@polygate/tasks';
import type { Generalist } from './model.ts';

/**
 * Refuses a batch that asks for a loss which a model has not.
 * @throws ConfigError (code `unknown-loss`) naming those that it has
 */
export const requireLoss = (
  { architecture, losses }: Pick<Generalist, 'architecture' | 'losses'>,
  { loss, task }: Pick<TaskBatch, 'task'> & { readonly loss: string },
): void => {
  if (losses.includes(loss)) return;
  throw new ConfigError(
    `task "${task}": expected a loss that the model ${architecture} has (${losses.join(', ')}), got "${loss}"; train the task with a model that has it`,
    { code: 'unknown-loss', fields: { task, loss, losses } },
  );
};
