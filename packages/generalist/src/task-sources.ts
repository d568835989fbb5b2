/**
 * Training sources: the batches of a task at a cursor, a pure function of (seed, task, cursor), so that a run resumes
 * from one integer per task.
 */
import { ConfigError, hashText } from '@polygate/core';
import { contentHash, createBatchSource, type RecordBatch, type RowReader } from '@polygate/stream';
import { taskFamilyNamed, type CandidateSet, type TaskBatch, type TaskRecipe } from '@polygate/tasks';
import type { ImageInput } from '@polygate/modalities';
import type { Tokenizer } from '@polygate/tokens';
import type { TrainSource } from '@polygate/training';
import type { Recipe } from './recipe.ts';
import { datasetText, type OpenSuite } from './suite-data.ts';
import { defaultTasks, familyKinds, makeTask, readKinds, taskDataset } from './task-recipes.ts';
import { subsetsOf, type TaskSubset } from './task-subsets.ts';

/** Rows that are read to count labels; more would change the sampling little. */
const MOST_COUNTED_ROWS = 20_000;
/** Rows of a subset that are counted at once. */
const COUNTED_AT_ONCE = 1024;

/** The rows of a reader in their order. */
async function* inOrder(rows: RowReader): AsyncGenerator<RecordBatch> {
  for (let first = 0; first < rows.rowCount; first += COUNTED_AT_ONCE) {
    const length = Math.min(COUNTED_AT_ONCE, rows.rowCount - first);
    yield await rows.read(Array.from({ length }, (_, i) => first + i));
  }
}

/** How often each token is a label of a task whose family says which are. */
export const labelFrequencies = async (
  shards: { batches(): AsyncIterable<RecordBatch> },
  family: string,
  tokenizer: Pick<Tokenizer, 'size' | 'specials'>,
): Promise<Float64Array> => {
  const counts = new Float64Array(tokenizer.size);
  const { labelCounts } = taskFamilyNamed(family);
  let rows = 0;
  for await (const batch of shards.batches()) {
    for (const id of labelCounts?.labels(batch, tokenizer) ?? []) counts[id] = (counts[id] ?? 0) + 1;
    rows += batch.numRows;
    if (rows >= MOST_COUNTED_ROWS) break;
  }
  return counts;
};

/** Label frequencies of tasks that share a vocabulary, each task's as shares, so that a small task counts as much. */
const sharedFrequencies = (counts: readonly Float64Array[]): Float64Array => {
  const shared = new Float64Array(counts[0]?.length ?? 0);
  for (const taskCounts of counts) {
    const total = taskCounts.reduce((sum, count) => sum + count, 0);
    if (total === 0) continue;
    taskCounts.forEach((count, id) => {
      shared[id] = (shared[id] ?? 0) + count / total;
    });
  }
  return shared;
};

export interface TaskSourceOptions {
  readonly image: ImageInput;
  /** The model's vocabulary. @default one per task */
  readonly vocabulary?: CandidateSet;
  /** Parts of the splits that tasks learn from, by task. @default as the recipe says */
  readonly subsets?: ReadonlyMap<string, TaskSubset>;
}

/** The tasks of a recipe; those that the suite allows where it names none. */
export const tasksOf = (recipe: Recipe, data: OpenSuite): Readonly<Record<string, TaskRecipe>> =>
  Object.keys(recipe.tasks).length > 0 ? recipe.tasks : defaultTasks(data.suite);

/**
 * One source per task of the recipe, for `train`.
 * @throws ConfigError for a suite without a task, or tasks that don't fit their datasets
 */
export const buildTaskSources = async (
  data: OpenSuite,
  recipe: Recipe,
  options: TaskSourceOptions,
): Promise<readonly TrainSource<TaskBatch>[]> => {
  const tasks = Object.entries(tasksOf(recipe, data));
  if (tasks.length === 0) {
    throw new ConfigError(
      `tasks: expected a dataset of ${readKinds()} with rows in a split "train" in ${data.folder}, got ${data.suite.datasets.map(datasetText).join('; ') || 'no dataset'}; prepare one or name tasks in the recipe (${familyKinds()})`,
    );
  }
  const { image, vocabulary } = options;
  const context = {
    suite: data.suite,
    tokenizer: data.tokenizer,
    image,
    ...(vocabulary ? { vocabulary } : {}),
  };
  const subsets = options.subsets ?? (await subsetsOf(data, tasks));
  const counted = new Map<string, Float64Array>();
  for (const [name, settings] of tasks) {
    // The kind is checked before shards are opened: a wrong dataset has other columns.
    taskDataset(name, settings, data.suite);
    if (!taskFamilyNamed(settings.family).labelCounts?.needed(settings, data.tokenizer)) continue;
    const subset = subsets.get(name);
    const rows = subset
      ? { batches: () => inOrder(subset.rows) }
      : await data.shards(settings.dataset, settings.split);
    counted.set(name, await labelFrequencies(rows, settings.family, data.tokenizer));
  }
  const drawFrequencies = sharedFrequencies([...counted.values()]);
  const sources: TrainSource<TaskBatch>[] = [];
  for (const [name, settings] of tasks) {
    const shards = await data.shards(settings.dataset, settings.split);
    const frequencies = counted.get(name);
    const task = makeTask(name, settings, {
      ...context,
      ...(frequencies ? { frequencies, drawFrequencies } : {}),
    });
    const subset = subsets.get(name);
    const rows = subset?.rows ?? shards;
    const source = createBatchSource({
      shards: rows,
      // Tasks of one dataset each have an order of their own.
      seed: (recipe.seed ^ hashText(name)) >>> 0,
      batchSize: settings.batchSize,
    });
    sources.push({
      name,
      batchSize: settings.batchSize,
      size: rows.rowCount,
      data: subset?.hash ?? contentHash(shards.manifest),
      lossWeight: settings.lossWeight,
      ...(settings.weight === undefined ? {} : { weight: settings.weight }),
      next: async (cursor, { random }) =>
        task.collate(await source.batch(cursor), { random, training: true }),
    });
  }
  return sources;
};
