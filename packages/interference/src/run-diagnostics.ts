/** The diagnostics of SM^4 of a run: its checkpoint, rows of its suite. */
import { ConfigError, createRandom, silentLogger, unknownName } from '@polygate/core';
import { makeTask, tasksOf, type OpenSuite } from '@polygate/generalist';
import { openRun, validatedSplits, type OpenRun, type OpenRunOptions } from '@polygate/runs';
import { splitBatches, type TaskBatch, type TaskRecipe } from '@polygate/tasks';
import type { DiagnosticsRecord } from './diagnostics-record.ts';
import { measureDiagnostics, type DiagnosedTask } from './measure-diagnostics.ts';

export interface RunDiagnosticsOptions extends OpenRunOptions {
  /** Folder of a prepared suite. @default the one that the run was trained on */
  readonly suite?: string;
  /** Names of tasks. @default all of the run */
  readonly tasks?: readonly string[];
  /** Batches of each task and split, of the size that the run trains with. @default 8 */
  readonly batches?: number;
  /** Length of the step for affinities as a share of the weights' norm. @default 1e-3 */
  readonly step?: number;
  /** Of the rows that are drawn, and of masks. @default 1 */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

const DEFAULT_BATCHES = 8;

/** Batches of a task without augmentation: rows of a split that the seed draws. */
const drawBatches = async (
  opened: OpenRun,
  data: OpenSuite,
  named: { readonly name: string; readonly settings: TaskRecipe; readonly split: string },
  { batches, seed }: { readonly batches: number; readonly seed: number },
): Promise<readonly TaskBatch[]> => {
  const { model } = opened;
  const { name, settings, split } = named;
  const task = makeTask(name, settings, {
    suite: data.suite,
    tokenizer: data.tokenizer,
    image: model.image,
    vocabulary: model.vocabulary,
    training: false,
  });
  const random = createRandom(seed).fork(`diagnostics/${name}/${split}`);
  const { batchSize } = settings;
  const drawn: TaskBatch[] = [];
  const shards = await data.shards(settings.dataset, split);
  for await (const rows of splitBatches(shards, { limit: batches * batchSize, seed, batchSize })) {
    drawn.push(task.collate(rows, { random, training: false }));
  }
  return drawn;
};

/**
 * Takes the diagnostics of a run, in float32 unless told otherwise: affinities are small differences of losses.
 * @throws StateError for a run without checkpoint, or when the signal aborts; ConfigError for unknown checkpoints or tasks;
 * EngineError for an engine that isn't there
 */
export const runDiagnostics = async (
  run: string,
  options: RunDiagnosticsOptions = {},
): Promise<DiagnosticsRecord> => {
  const { batches = DEFAULT_BATCHES, step = 1e-3, seed = 1, logger = silentLogger, signal } = options;
  using opened = await openRun(run, { ...options, precision: options.precision ?? 'f32' });
  const { model, recipe, engine } = opened;
  if (!recipe) {
    throw new ConfigError(
      `diagnostics: expected a run folder with recipe.json, which names the tasks, got ${run}; give the folder that pretrain wrote`,
    );
  }
  await using data = await opened.openSuite(options.suite);
  const all = tasksOf(recipe, data);
  const diagnosed: DiagnosedTask[] = [];
  for (const name of options.tasks ?? Object.keys(all)) {
    const settings = all[name];
    if (!settings) throw unknownName('task', name, Object.keys(all));
    const [held] = validatedSplits(data, settings, recipe.validation);
    const of = (split: string): Promise<readonly TaskBatch[]> =>
      drawBatches(opened, data, { name, settings, split }, { batches, seed });
    diagnosed.push({
      task: name,
      training: await of(settings.split),
      validation: held === undefined ? [] : await of(held),
    });
  }
  const measured = await measureDiagnostics(model, diagnosed, {
    step,
    signal,
    progress: (text) => logger.info(`diagnostics: ${text}`),
  });
  const { name, device, precision } = engine;
  return {
    kind: 'polygate-diagnostics',
    version: 1,
    run,
    trainedSteps: opened.state?.step ?? null,
    batches,
    step,
    seed,
    engine: { name, device, precision },
    ...measured,
  };
};
