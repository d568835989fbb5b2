import { createRandom } from '@polygate/core';
import { makeTask, type Generalist, type OpenSuite, type Recipe } from '@polygate/generalist';
import { splitBatches, type TaskRecipe } from '@polygate/tasks';
import { validatedSplits } from './validated-scores.ts';

export interface ValidationContext {
  readonly model: Generalist;
  readonly data: OpenSuite;
  readonly recipe: Recipe;
  readonly tasks: Readonly<Record<string, TaskRecipe>>;
}

/**
 * Loss and metrics, such as accuracy, of every task on its validation split, or those that the recipe names, against whole candidate sets, without augmentation.
 * @returns a function for `train` whose values are keyed `<task>/<split>/loss` and `.../accuracy`
 */
export const createValidation =
  ({ model, data, recipe, tasks }: ValidationContext) =>
  async (): Promise<Record<string, number>> => {
    const values: Record<string, number> = {};
    model.clearCaches();
    for (const [name, settings] of Object.entries(tasks)) {
      const task = makeTask(name, settings, {
        suite: data.suite,
        tokenizer: data.tokenizer,
        image: model.image,
        vocabulary: model.vocabulary,
        training: false,
      });
      for (const split of validatedSplits(data, settings, recipe.validation)) {
        const shards = await data.shards(settings.dataset, split);
        // Masked words are drawn from the same stream every time: scores of two steps are comparable.
        const random = createRandom(recipe.seed).fork(`validation/${name}/${split}`);
        const means = new Map<string, { sum: number; weight: number }>();
        // A drawn sample, the same every time: the first rows of a split are often all of one class.
        const { limit } = recipe.validation;
        for await (const rows of splitBatches(shards, {
          limit,
          seed: recipe.seed,
          batchSize: settings.batchSize,
        })) {
          const batch = task.collate(rows, { random, training: false });
          const { loss, weight, metrics } = model.loss(batch, { training: false });
          for (const [metric, scalar] of Object.entries({ loss, ...metrics })) {
            const [value = 0] = await scalar.data();
            scalar.dispose();
            const mean = means.get(metric) ?? { sum: 0, weight: 0 };
            means.set(metric, { sum: mean.sum + weight * value, weight: mean.weight + weight });
          }
        }
        for (const [metric, { sum, weight }] of means) {
          if (weight > 0) values[`${name}/${split}/${metric}`] = sum / weight;
        }
      }
    }
    // The next step changes the weights that these features were made with.
    model.clearCaches();
    return values;
  };
