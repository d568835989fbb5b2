/** Scores of a trained model on held-out rows, by the tasks' own losses: fine-grained, and the same rows for all runs. */
import { ConfigError, createRandom } from '@polygate/core';
import { makeTask, type Generalist, type OpenSuite, type Recipe } from '@polygate/generalist';
import { splitBatches } from '@polygate/tasks';
import * as tf from '@tensorflow/tfjs';
import type { ScoredTask } from './experiment.ts';
import type { Scores } from './results.ts';

/** One seed for all runs: differences between training seeds are the models', not the rows'. */
const SCORING_SEED = 1;

/** Batches of each task that inference is timed on. */
const TIMED_BATCHES = 4;

type Batch = ReturnType<ReturnType<typeof makeTask>['collate']>;

const batchesOf = async (
  scored: ScoredTask,
  { model, data, recipe }: ScoringInput,
): Promise<readonly Batch[]> => {
  const taskRecipe = recipe.tasks[scored.task];
  if (!taskRecipe) {
    throw new ConfigError(
      `scoring: expected a task of the recipe, got "${scored.task}"; known are ${Object.keys(recipe.tasks).join(', ')}`,
    );
  }
  const task = makeTask(scored.task, taskRecipe, {
    suite: data.suite,
    tokenizer: data.tokenizer,
    image: model.image,
    vocabulary: model.vocabulary,
    training: false,
  });
  const random = createRandom(SCORING_SEED).fork(`${scored.task}/${scored.split}`);
  const batches: Batch[] = [];
  const shards = await data.shards(taskRecipe.dataset, scored.split);
  for await (const rows of splitBatches(shards, { limit: scored.rows, seed: SCORING_SEED, batchSize: 64 })) {
    batches.push(task.collate(rows, { random: random.fork(batches.length), training: false }));
  }
  return batches;
};

export interface ScoringInput {
  readonly model: Generalist;
  readonly data: OpenSuite;
  readonly recipe: Recipe;
}

/** Processor time of this process so far, ms. */
export const processorMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

const evaluateBatch = async (
  model: Generalist,
  batch: Batch,
): Promise<{ loss: number; accuracy: number }> => {
  const result = model.loss(batch, { training: false });
  const { accuracy: share } = result.metrics;
  const [[loss = Number.NaN], [accuracy = Number.NaN]] = await Promise.all([
    result.loss.data(),
    share?.data() ?? [],
  ]);
  tf.dispose([result.loss, ...Object.values(result.metrics)]);
  return { loss, accuracy };
};

/**
 * `loss` (nats), `perplexity` and `accuracy` of each task over all its queries (images, masked tokens, tokens of
 * captions), against whole candidate sets.
 * @returns scores, and the processor time of a second pass over a few batches, when caches are warm
 */
export const scoreTasks = async (
  tasks: readonly ScoredTask[],
  input: ScoringInput,
): Promise<{ readonly scores: Scores; readonly inferenceMs: number }> => {
  const { model } = input;
  const scores: Record<string, Record<string, number>> = {};
  let inferenceMs = 0;
  model.clearCaches();
  for (const scored of tasks) {
    const batches = await batchesOf(scored, input);
    let queries = 0;
    let loss = 0;
    let accuracy = 0;
    for (const batch of batches) {
      const batchScore = await evaluateBatch(model, batch);
      const weight = batch.labels.length;
      queries += weight;
      loss += weight * batchScore.loss;
      accuracy += weight * batchScore.accuracy;
    }
    const mean = loss / queries;
    scores[scored.task] = { loss: mean, perplexity: Math.exp(mean), accuracy: accuracy / queries, queries };
    const began = processorMs();
    for (const batch of batches.slice(0, TIMED_BATCHES)) await evaluateBatch(model, batch);
    inferenceMs += processorMs() - began;
  }
  return { scores, inferenceMs };
};
