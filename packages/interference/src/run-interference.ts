/** The interference between the tasks of a run: its checkpoint, its batches, its settings. */
import { ConfigError, createRandom, ownValue, silentLogger, unknownName } from '@polygate/core';
import { buildTaskSources, tasksOf, type Generalist } from '@polygate/generalist';
import { openRun, runSubsets, type OpenRunOptions, type RunRecord } from '@polygate/runs';
import type { TaskBatch } from '@polygate/tasks';
import { sourceRandom, type TrainSource } from '@polygate/training';
import { plainMatrix, type InterferenceRecord, type SiteRecord } from './interference-record.ts';
import { measureInterference } from './measure-interference.ts';
import { measureUpdates } from './measure-updates.ts';
import { layersOf, weightSites } from './weight-site.ts';

export interface RunInterferenceOptions extends OpenRunOptions {
  /** Folder of a prepared suite. @default the one that the run was trained on */
  readonly suite?: string;
  /** Names of the tasks, two or more. @default all of the run */
  readonly tasks?: readonly string[];
  /** Counted from 1. @default a third of the way up, and the last */
  readonly layers?: readonly number[];
  /** Among attention.qkv, attention.output, ffn.fc1, ffn.fc2. @default ffn.fc2 */
  readonly linears?: readonly string[];
  /** Batches of each task, of the size that the run trains with. @default 32 */
  readonly batches?: number;
  /** Steps of each task after which a batch is evaluated for the exact changes; 0 leaves them out. @default 4 */
  readonly directions?: number;
  /** Length of a step as a share of the weights' norm. @default 1e-3 */
  readonly step?: number;
  /**
   * Updates in a row of all weights that the run's optimizer makes on one task alone before the losses of all tasks are
   * looked at; 0 leaves that out. @default 0
   */
  readonly updates?: number;
  /** Rounds of those updates for each task, from 3. @default 8 */
  readonly rounds?: number;
  /** Of masks, augmentation, negatives, noise and the errors' bootstrap. @default 1 */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

const DEFAULT_BATCHES = 32;
const DEFAULT_ROUNDS = 8;

const checkUpdates = (updates: number, rounds: number): void => {
  if (Number.isInteger(updates) && updates >= 0 && Number.isInteger(rounds) && rounds >= 3) return;
  throw new ConfigError(
    `interference: expected a whole number of updates, 0 for none, in at least 3 rounds, got ${updates} and ${rounds}; errors need three rounds`,
    { fields: { updates, rounds } },
  );
};

const chosenSources = (
  sources: readonly TrainSource<TaskBatch>[],
  names: readonly string[] | undefined,
): readonly TrainSource<TaskBatch>[] => {
  const taskNames = sources.map(({ name }) => name);
  const chosen = (names ?? taskNames).map((name) => {
    const source = sources.find((each) => each.name === name);
    if (!source) throw unknownName('task', name, taskNames);
    return source;
  });
  if (chosen.length < 2) {
    throw new ConfigError(
      `interference: expected two or more tasks, got ${chosen.length} (${chosen.map(({ name }) => name).join(', ')}); one task has nothing to interfere with`,
    );
  }
  return chosen;
};

/** The batches that the run would draw next, with augmentation, masks and negatives as in training. */
const drawBatches = async (
  sources: readonly TrainSource<TaskBatch>[],
  record: RunRecord,
  options: { readonly batches: number; readonly seed: number },
): Promise<readonly (readonly TaskBatch[])[]> => {
  const random = createRandom(options.seed).fork('interference');
  const all: TaskBatch[][] = [];
  for (const source of sources) {
    const first = ownValue(record.state?.cursors ?? {}, source.name) ?? 0;
    const step = record.state?.step ?? 0;
    const taskBatches: TaskBatch[] = [];
    for (let k = 0; k < options.batches; k += 1) {
      const at = { cursor: first + k, step: step + k, use: 'data' } as const;
      taskBatches.push(await source.next(at.cursor, { random: sourceRandom(random, source, at) }));
    }
    all.push(taskBatches);
  }
  return all;
};

/** What the experts of a linear are chosen by; null for a dense one. */
const conditionAt = (
  { routing }: Pick<Generalist, 'routing'>,
  { layer, linear }: { readonly layer: number; readonly linear: string },
): string | null =>
  routing?.groups.find(
    ({ blocks, linears }) => blocks.includes(layer - 1) && linears.some((names) => names.includes(linear)),
  )?.condition ?? null;

const measureSites = async (
  model: Generalist,
  batches: readonly (readonly TaskBatch[])[],
  options: RunInterferenceOptions,
): Promise<readonly SiteRecord[]> => {
  const { layers, linears, step, directions, seed, signal, logger = silentLogger } = options;
  const sites = weightSites(model.parameters, {
    ...(layers ? { layers } : {}),
    ...(linears ? { linears } : {}),
  });
  const records: SiteRecord[] = [];
  for (const site of sites) {
    const measured = await measureInterference(model, site, {
      batches,
      ...(step === undefined ? {} : { step }),
      ...(directions === undefined ? {} : { directions }),
      ...(seed === undefined ? {} : { seed }),
      ...(signal ? { signal } : {}),
      progress: (text) => logger.info(`interference: layer ${site.layer} ${site.linear}: ${text}`),
    });
    records.push({
      layer: site.layer,
      layers: layersOf(model.parameters),
      linear: site.linear,
      experts: site.experts,
      condition: conditionAt(model, site),
      weights: measured.weights,
      step: measured.step,
      firstOrder: plainMatrix(measured.firstOrder),
      exact: measured.exact ? plainMatrix(measured.exact) : null,
    });
  }
  return records;
};

/** Names of the tasks whose batches together hold more samples than the task has. */
const repeatedTasks = (
  sources: readonly TrainSource<TaskBatch>[],
  batches: readonly (readonly TaskBatch[])[],
): string[] =>
  sources.flatMap(({ name, size = Infinity }, task) => {
    const drawn = (batches[task] ?? []).reduce((sum, { inputs }) => sum + inputs.size, 0);
    return drawn > size ? [name] : [];
  });

/**
 * Measures the interference between the tasks of a run. Computes in float32 unless told otherwise: the exact changes are
 * small differences of losses, which bf16 rounds away.
 * @throws StateError for a run without checkpoint, or when the signal aborts; ConfigError for unknown checkpoints, tasks,
 * layers or linears; EngineError for an engine that isn't there
 */
export const runInterference = async (
  run: string,
  options: RunInterferenceOptions = {},
): Promise<InterferenceRecord> => {
  const { batches: count = DEFAULT_BATCHES, directions = 4, step = 1e-3, seed = 1 } = options;
  const { updates = 0, rounds = DEFAULT_ROUNDS, logger = silentLogger, signal } = options;
  checkUpdates(updates, rounds);
  using opened = await openRun(run, { ...options, precision: options.precision ?? 'f32' });
  const { model, recipe, engine } = opened;
  if (!recipe) {
    throw new ConfigError(
      `interference: expected a run folder with recipe.json, which names the tasks, got ${run}; give the folder that pretrain wrote`,
    );
  }
  await using data = await opened.openSuite(options.suite);
  const sources = chosenSources(
    await buildTaskSources(data, recipe, {
      image: model.image,
      vocabulary: model.vocabulary,
      subsets: await runSubsets(data, tasksOf(recipe, data), { run }),
    }),
    options.tasks,
  );
  const drawn = await drawBatches(sources, opened, {
    batches: Math.max(count, updates > 0 ? rounds : 0),
    seed,
  });
  const batches = drawn.map((taskBatches) => taskBatches.slice(0, count));
  const measured = { ...options, directions: Math.min(directions, count - 1), step, seed };
  const sites = await measureSites(model, batches, measured);
  const trained =
    updates > 0
      ? await measureUpdates(model, {
          record: opened,
          recipe,
          sources,
          batches: drawn.map((taskBatches) => taskBatches.slice(0, rounds)),
          from: drawn[0]?.length ?? 0,
          updates,
          random: createRandom(seed).fork('interference'),
          seed,
          logger,
          signal,
        })
      : undefined;
  const { name, device, precision } = engine;
  return {
    kind: 'polygate-interference',
    version: 1,
    run,
    trainedSteps: opened.state?.step ?? null,
    tasks: sources.map((source) => source.name),
    batches: count,
    directions: measured.directions,
    stepShare: step,
    seed,
    updates,
    rounds: trained ? rounds : 0,
    learningRate: trained?.learningRate ?? null,
    model: trained ? { weights: trained.weights, updates: trained.matrix } : null,
    repeated: repeatedTasks(sources, batches),
    engine: { name, device, precision },
    sites: [...sites],
  };
};
