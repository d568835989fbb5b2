/** What is wrong between the tasks of a recipe and its model, found before a run folder is claimed. */
import { createRandom } from '@polygate/core';
import { requireLoss, type Generalist } from '@polygate/generalist';
import type { TaskBatch } from '@polygate/tasks';
import type { TrainSource } from '@polygate/training';

/**
 * Asks the model about the first batch of every task; nothing is computed, and what is drawn is drawn anew in training.
 * @throws ConfigError for a loss that the model has not; what the model says of a batch that it can't take
 */
export const checkFirstBatches = async (
  model: Generalist,
  sources: readonly TrainSource<TaskBatch>[],
  seed: number,
): Promise<void> => {
  for (const { name, next } of sources) {
    const batch = await next(0, { random: createRandom(seed).fork(`check/${name}`) });
    requireLoss(model, batch);
    model.check?.(batch);
  }
};
