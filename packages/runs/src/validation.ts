import { createRandom } from '@polygate/core';
import {
  makeTask,
  splitBatches,
  taskLoss,
  type Generalist,
  type OpenSuite,
  type Recipe,
  type TaskRecipe,
} from '@polygate/generalist';
import * as tf from '@tensorflow/tfjs';
import { heldOutSplits } from './validated-scores.ts';

export interface ValidationContext {
  readonly model: Generalist;
  readonly data: OpenSuite;
  readonly recipe: Recipe;
  readonly tasks: Readonly<Record<string, TaskRecipe>>;
}

/**
 * Loss and accuracy of every task on its held-out splits, against whole candidate sets, without augmentation.
 * @returns a function for `train` whose values are keyed `<task>/<split>/loss` and `.../accuracy`
 */
export const createValidation =
  ({ model, data, recipe, tasks }: ValidationContext) =>
  async (): Promise<Record<string, number>> => {
    const values: Record<string, number> = {};
    model.clearCaches();
    for (const [name, own] of Object.entries(tasks)) {
      const { augmentation: _, ...plain } = own;
      const task = makeTask(
        name,
        { ...plain, candidates: { kind: 'whole' } },
        { suite: data.suite, tokenizer: data.tokenizer, image: model.image, vocabulary: model.vocabulary },
      );
      for (const split of heldOutSplits(data, own, recipe.validation.splits)) {
        const shards = await data.shards(own.dataset, split);
        // Masked words are drawn from the same stream every time: scores of two steps are comparable.
        const random = createRandom(recipe.seed).fork(`validation/${name}/${split}`);
        let queries = 0;
        let loss = 0;
        let accuracy = 0;
        // A drawn sample, the same every time: the first rows of a split are often all of one class.
        const { limit } = recipe.validation;
        for await (const rows of splitBatches(shards, {
          limit,
          seed: recipe.seed,
          batchSize: own.batchSize,
        })) {
          const batch = task.collate(rows, { random, training: false });
          const result = taskLoss(model, batch, { training: false });
          const [[batchLoss = 0], [batchAccuracy = 0]] = await Promise.all([
            result.loss.data(),
            result.metrics.accuracy.data(),
          ]);
          tf.dispose([result.loss, result.metrics.accuracy]);
          const weight = batch.labels.length;
          queries += weight;
          loss += weight * batchLoss;
          accuracy += weight * batchAccuracy;
        }
        if (queries === 0) continue;
        values[`${name}/${split}/loss`] = loss / queries;
        values[`${name}/${split}/accuracy`] = accuracy / queries;
      }
    }
    // The next step changes the weights that these features were made with.
    model.clearCaches();
    return values;
  };
