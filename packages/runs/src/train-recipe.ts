/** A recipe and a prepared suite -> one shared encoder trained jointly on its tasks -> a run folder. */
import {
  createRandom,
  parseDuration,
  silentLogger,
  silentProgress,
  toSteps,
  type DurationContext,
  type Logger,
  type Progress,
} from '@polygate/core';
import { type Lock } from '@polygate/core/node';
import {
  buildTaskSources,
  configureModel,
  createModel,
  createTelemetrySchedule,
  describeInitialization,
  describeOverfitting,
  initialize,
  measureTaskBatch,
  modelFiles,
  modelSize,
  openSuite,
  readOverfitting,
  tasksOf,
  trainedTasks,
  type Recipe,
} from '@polygate/generalist';
import { constant, createOptimizer, warmupCosine, type Schedule } from '@polygate/nn';
import { selectEngine, type EngineChoice, type EngineName } from '@polygate/tensor';
import {
  createTaskSampler,
  latestCheckpoint,
  lockRun,
  train,
  type ResumeMode,
  type TrainResult,
} from '@polygate/training';
import { join } from 'node:path';
import { watchDroppedChoices } from './dropped-choices.ts';
import { epochCallbacks, modelState } from './epochs.ts';
import { claimRun, recordStart, requireSameData, precisionOf } from './run-folder.ts';
import { modelSettings } from './model-settings.ts';
import { estimateSize, requireRoom } from './size-estimate.ts';
import { bestOf, datasetsWithoutHeldOut, validatedScores } from './validated-scores.ts';
import { createValidation } from './validation.ts';

export interface TrainRecipeOptions {
  readonly recipe: Recipe;
  /** Folder of the run. @default runs/<name of the recipe> */
  readonly run?: string;
  /**
   * `auto` goes on from the latest checkpoint, `must` needs one, `never` refuses a folder that has one, `last-good` goes
   * back to the newest checkpoint that is not damaged. @default 'auto'
   */
  readonly resume?: ResumeMode;
}

export interface TrainRecipeContext {
  readonly logger?: Logger;
  readonly progress?: Progress;
  /** When it aborts, the step at work is finished and a checkpoint written. */
  readonly signal?: AbortSignal;
  /** The run folder's lock, where the caller holds it already. @default taken for as long as the stage works */
  readonly lock?: Lock;
}

export interface TrainRecipeResult extends TrainResult {
  readonly run: string;
  readonly recipe: Recipe;
  readonly engine: EngineChoice;
}

/** Samples of a mean step and of all sources: what epochs and samples of a mixture are measured against. */
const durationContext = (
  sources: readonly { readonly name: string; readonly size?: number; readonly weight?: number }[],
  recipe: Recipe,
  batchSizes: Readonly<Record<string, number>>,
): DurationContext => {
  const { shares } = createTaskSampler(sources, {
    seed: recipe.seed,
    temperature: recipe.mixing.temperature,
  });
  const meanBatch = sources.reduce((sum, { name }) => sum + (shares[name] ?? 0) * (batchSizes[name] ?? 1), 0);
  return {
    batchSize: meanBatch * recipe.accumulate,
    epochSamples: sources.reduce((sum, { size = 0 }) => sum + size, 0),
  };
};

const scheduleOf = ({ schedule, optimizer }: Recipe, steps: number): Schedule => {
  const base = optimizer.learningRate;
  const warmup = toSteps(parseDuration(schedule.warmup), { totalSteps: steps });
  return schedule.kind === 'constant'
    ? constant({ base, warmup })
    : warmupCosine({ base, minimum: Math.min(schedule.minimum, base), warmup, total: steps });
};

/**
 * Trains a recipe, or goes on with a run that was stopped: the same recipe in the same folder continues from its latest
 * checkpoint and ends with the same weights as a run that was never stopped.
 * @throws ConfigError for recipes and suites that don't fit, EngineError for an engine that isn't there, StateError for
 * a loss that is no number, a folder that can't be written or (code `locked`) that another process trains in
 */
export const trainRecipe = async (
  options: TrainRecipeOptions,
  context: TrainRecipeContext = {},
): Promise<TrainRecipeResult> => {
  const { logger = silentLogger, progress = silentProgress, signal } = context;
  const { recipe } = options;
  const run = options.run ?? join('runs', recipe.name);
  await using own = context.lock ? undefined : await lockRun(run, 'pretrain');
  const lock = context.lock ?? own;
  const engine = await selectEngine({
    engine: recipe.engine as EngineName | 'auto',
    precision: await precisionOf(run, recipe),
    logger,
    ...(recipe.device === undefined ? {} : { device: recipe.device }),
    ...(recipe.threads === undefined ? {} : { threads: recipe.threads }),
  });
  await using data = await openSuite(recipe.suite);
  const image = { ...data.suite.image, channels: 3 };
  const tasks = tasksOf(recipe, data);
  const resumed = options.resume !== 'never' && (await latestCheckpoint(run)) !== undefined;
  const settings = await modelSettings(recipe, { image, resumed: resumed ? run : undefined });
  const config = configureModel(settings, {
    vocabularySize: data.tokenizer.size,
    image,
    tokenizerHash: data.tokenizer.hash,
    tasks: trainedTasks(tasks, data.suite),
  });
  if (resumed) await requireSameData(run, data);
  if (engine.device === 'cpu') {
    const { image: pictures, textLength } = data.suite;
    const pixels = Math.max(pictures.height, pictures.width);
    const context = { model: modelSize(config), channels: image.channels, pixels, textLength };
    requireRoom(recipe, estimateSize({ ...recipe, tasks }, context));
  }
  using model = createModel(config, data.tokenizer, createRandom(recipe.seed).fork('model'));
  const { parameters } = model;
  const sources = await buildTaskSources(data, recipe, { image: model.image, vocabulary: model.vocabulary });
  const start =
    recipe.initialize && !resumed
      ? await initialize(model, {
          ...recipe.initialize,
          random: createRandom(recipe.seed).fork('initialize'),
        })
      : undefined;
  if (start) logger.info(describeInitialization(start));
  const scores = validatedScores(data, recipe, tasks);
  const best = bestOf(recipe, scores);
  // Only a recipe that fits its suite claims the folder: the corrected one must not be refused after a typo.
  await claimRun(run, recipe, engine);
  if (start) await recordStart(run, start, settings);
  const batchSizes = Object.fromEntries(
    Object.entries(tasks).map(([name, { batchSize }]) => [name, batchSize]),
  );
  const durations = durationContext(sources, recipe, batchSizes);
  const steps = toSteps(parseDuration(recipe.steps), durations);
  const every = (text: string): number => toSteps(parseDuration(text), { ...durations, totalSteps: steps });
  const { clipNorm } = recipe.optimizer;
  using optimizer = createOptimizer(parameters, recipe.optimizer);
  logger.info(
    `pretrain ${recipe.name}: ${(parameters.size / 1e6).toFixed(2)}M parameters, ${sources.length} tasks, ${steps} steps, seed ${recipe.seed} -> ${run}`,
  );
  const validation = createValidation({ model, data, recipe, tasks });
  const unheld = datasetsWithoutHeldOut(data, tasks);
  if (unheld.length > 0) {
    logger.warn(
      `pretrain ${recipe.name}: nothing of ${unheld.join(', ')} is held out, so it can be neither validated nor evaluated: prepare it with validationPercent and testPercent`,
    );
  } else if (scores.length === 0) {
    logger.info(
      'nothing is validated: the datasets of the tasks have no held-out split that the recipe asks for',
    );
  }
  const lookedAt =
    recipe.telemetry.every === null
      ? () => false
      : createTelemetrySchedule({
          every: Math.max(1, every(recipe.telemetry.every)),
          taskOf: createTaskSampler(sources, { seed: recipe.seed, temperature: recipe.mixing.temperature })
            .pick,
        });
  const watchDropped = watchDroppedChoices(logger);
  const extraState = modelState(model);
  const result = await train({
    parameters,
    optimizer,
    schedule: scheduleOf(recipe, steps),
    sources,
    loss: (batch, { random, step }) => {
      const result = model.loss(batch, { training: true, random, telemetry: lookedAt(step) });
      watchDropped(result.records);
      return result;
    },
    steps,
    seed: recipe.seed,
    runDirectory: run,
    accumulate: recipe.accumulate,
    weights: (batch) => model.weights(batch),
    temperature: recipe.mixing.temperature,
    checkpointEvery: every(recipe.checkpoint.every),
    keepLast: recipe.checkpoint.keep,
    files: modelFiles(config, data.tokenizer),
    resume: options.resume ?? 'auto',
    validateEvery: every(recipe.validation.every),
    validate: validation,
    ...(best ? { best } : {}),
    ...(extraState ? { extraState } : {}),
    callbacks: epochCallbacks(model, { durations, validate: validation }),
    measure: measureTaskBatch,
    logger,
    progress,
    ...(clipNorm === null ? {} : { clipNorm }),
    ...(signal ? { signal } : {}),
    ...(lock ? { lock } : {}),
  });
  for (const found of await readOverfitting(run)) {
    const remedy = best
      ? ''
      : '; validation.best.score keeps the best checkpoint, validation.stop ends there';
    logger.warn(`${describeOverfitting(found)}${remedy}`);
  }
  if (result.best) {
    logger.info(
      `best by ${recipe.validation.best?.score}: step ${result.best.step} (${result.best.value.toPrecision(4)}); evaluate and predict use it`,
    );
  }
  return { ...result, run, recipe, engine };
};
