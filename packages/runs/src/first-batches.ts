/** What is wrong between the tasks of a recipe and its model, found before a run folder is claimed. */
import { createRandom, errorAt, noteOrigin } from '@polygate/core';
import { requireLoss, type Generalist } from '@polygate/generalist';
import type { TaskBatch } from '@polygate/tasks';
import type { TrainSource } from '@polygate/training';

/** Work on a batch of a family: an error that nobody is known by may be the family's, which made the batch. */
export const ofFamily = <T>({ family }: Pick<TaskBatch, 'family'>, work: () => T): T => {
  try {
    return work();
  } catch (error) {
    throw noteOrigin(error, { kind: 'task family', name: family });
  }
};

/**
 * Asks the model about the first batch of every task; nothing is computed, and what is drawn is drawn anew in training.
 * @throws ConfigError for a loss that the model has not; what the model says of a batch that it can't take, with the task
 */
export const checkFirstBatches = async (
  model: Generalist,
  sources: readonly TrainSource<TaskBatch>[],
  seed: number,
): Promise<void> => {
  for (const { name, next } of sources) {
    const batch = await next(0, { random: createRandom(seed).fork(`check/${name}`) });
    ofFamily(batch, () => {
      requireLoss(model, batch);
      try {
        model.check?.(batch);
      } catch (error) {
        throw errorAt(error, `task "${name}"`);
      }
    });
  }
};
