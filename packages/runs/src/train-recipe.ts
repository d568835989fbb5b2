/** A recipe and a prepared suite -> one shared model trained jointly on its tasks -> a run folder. */
import {
  aloneCommunicator,
  ConfigError,
  sha256,
  silentLogger,
  silentProgress,
  type Communicator,
  type Logger,
  type Progress,
} from '@polygate/core';
import { type Lock } from '@polygate/core/node';
import {
  architectureOf,
  buildTaskSources,
  describeOverfitting,
  fitTasks,
  measureTaskBatch,
  modelFiles,
  modelSize,
  openSuite,
  readOverfitting,
  resizedSuite,
  tasksOf,
  type Generalist,
  type Recipe,
} from '@polygate/generalist';
import { createOptimizer } from '@polygate/nn';
import { cutTaskBatch, type TaskBatch } from '@polygate/tasks';
import { selectEngine, type EngineChoice, type EngineName } from '@polygate/tensor';
import {
  checkpointFolder,
  latestCheckpoint,
  lockRun,
  train,
  type RankOptions,
  type ResumeMode,
  type TrainResult,
} from '@polygate/training';
import { join, resolve } from 'node:path';
import { watchDroppedChoices } from './dropped-choices.ts';
import { epochCallbacks, modelState } from './epochs.ts';
import { createRecipeModel, startModel } from './recipe-model.ts';
import { createTunedModel, type TunedModel } from './tuned-model.ts';
import { checkFirstBatches, ofFamily } from './first-batches.ts';
import { replayOf } from './replay-option.ts';
import { claimRun, precisionOf, recordStart } from './run-folder.ts';
import { recordSubsets, runSubsets } from './subset-files.ts';
import { planTraining } from './training-plan.ts';
import {
  bestOf,
  datasetsWithoutHeldOut,
  datasetsWithoutValidation,
  validatedScores,
} from './validated-scores.ts';
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
  /**
   * Folder of what the recipe tunes, or of its run, where it has been moved since the run began.
   * @default `initialize.from` of the recipe
   */
  readonly base?: string;
}

export interface TrainRecipeContext {
  readonly logger?: Logger;
  readonly progress?: Progress;
  /** When it aborts, the step at work is finished and a checkpoint written. */
  readonly signal?: AbortSignal;
  /** The run folder's lock, where the caller holds it already. @default taken for as long as the stage works */
  readonly lock?: Lock;
  /**
   * The processes that train this run together, each with the same recipe, suite and run folder; rank 0 writes. Borrowed.
   * @default one process
   */
  readonly communicator?: Communicator;
}

export interface TrainRecipeResult extends TrainResult {
  readonly run: string;
  readonly recipe: Recipe;
  readonly engine: EngineChoice;
}

/** Says which datasets no held-out rows tell anything of. */
const tellUnheld = (
  { name }: Recipe,
  unheld: readonly string[],
  {
    scores,
    unvalidated,
    logger,
  }: {
    readonly scores: readonly string[];
    readonly unvalidated: ReadonlyMap<string, readonly string[]>;
    readonly logger: Logger;
  },
): void => {
  if (unheld.length > 0) {
    logger.warn(
      `pretrain ${name}: nothing of ${unheld.join(', ')} is held out, so it can be neither validated nor evaluated: prepare it with validationPercent and testPercent`,
    );
  } else if (scores.length === 0) {
    const tests = [...unvalidated].map(([dataset, splits]) => `${dataset} (${splits.join(', ')})`);
    const remedy =
      tests.length > 0
        ? `; held out of ${tests.join(' and ')} is no validation split: prepare one with validationPercent`
        : '';
    logger.info(
      `nothing is validated: the datasets of the tasks have no held-out split that the recipe asks for${remedy}`,
    );
  }
};

/** A recipe whose start is the base that the run stands on, which has been moved. */
const startedFrom = (recipe: Recipe, base: TunedModel['base'], run: string): Recipe => {
  if (!base || !recipe.initialize) return recipe;
  const { checkpoint: _, ...initialize } = recipe.initialize;
  return { ...recipe, initialize: { ...initialize, from: resolve(run, base.path) } };
};

/** What a run on many processes is told, if it is one. @throws ConfigError for a model whose batches can't be shared */
const ranksOf = (
  communicator: Communicator,
  {
    recipe,
    model,
  }: {
    readonly recipe: Recipe;
    readonly model: Pick<Generalist, 'architecture' | 'partsAddUp' | 'exchanges' | 'losses'>;
  },
): { readonly ranks?: RankOptions<TaskBatch> } => {
  if (communicator.size === 1) return {};
  const isBlind = model.losses.includes('contrastive') && model.exchanges === undefined;
  if (model.partsAddUp !== true || isBlind) {
    throw new ConfigError(
      `pretrain ${recipe.name}: expected one process, got ${communicator.size}: rows of a batch of the model "${model.architecture}" are not independent of each other, so processes can't share them; start it without --processes`,
      { code: 'rows-depend', fields: { architecture: model.architecture } },
    );
  }
  const { engine: _, threads: __, ...computed } = recipe;
  return {
    ranks: {
      communicator,
      cut: cutTaskBatch,
      exchanges: (batch) => model.exchanges?.(batch) === true,
      facts: { recipe: sha256(JSON.stringify(computed)) },
    },
  };
};

/** What a run says of its held-out scores when it is over. */
const tellOutcome = async (
  run: string,
  { validation }: Recipe,
  { result, logger }: { readonly result: TrainResult; readonly logger: Logger },
): Promise<void> => {
  const remedy = validation.best
    ? ''
    : '; validation.best.score keeps the best checkpoint, validation.stop ends there';
  for (const each of await readOverfitting(run)) logger.warn(`${describeOverfitting(each)}${remedy}`);
  if (!result.best) return;
  const { step, value } = result.best;
  logger.info(
    `best by ${validation.best?.score}: step ${step} (${value.toPrecision(4)}); evaluate and predict use it`,
  );
};

/**
 * Trains a recipe, or goes on with a run that was stopped: the same recipe in the same folder continues from its latest
 * checkpoint and ends with the same weights as a run that was never stopped.
 * @throws ConfigError for recipes and suites that don't fit, EngineError for an engine that isn't there, StateError for
 * a loss that is not finite, a folder that can't be written or (code `locked`) that another process trains in
 */
export const trainRecipe = async (
  options: TrainRecipeOptions,
  context: TrainRecipeContext = {},
): Promise<TrainRecipeResult> => {
  const { communicator = aloneCommunicator, signal } = context;
  const isFirst = communicator.rank === 0;
  const { logger = silentLogger, progress = silentProgress } = isFirst ? context : {};
  const { recipe } = options;
  const run = options.run ?? join('runs', recipe.name);
  await using ownLock =
    context.lock || !isFirst ? undefined : await lockRun(run, recipe.tune ? 'tune' : 'pretrain');
  const lock = context.lock ?? ownLock;
  const engine = await selectEngine({
    engine: recipe.engine as EngineName | 'auto',
    precision: await precisionOf(run, recipe),
    logger,
    ...(recipe.device === undefined ? {} : { device: recipe.device }),
    ...(recipe.threads === undefined ? {} : { threads: recipe.threads }),
  });
  await using prepared = await openSuite(recipe.suite);
  const data = recipe.image ? resizedSuite(prepared, recipe.image.size) : prepared;
  const asked = tasksOf(recipe, data);
  const isResumed = options.resume !== 'never' && (await latestCheckpoint(run)) !== undefined;
  const isOnHost = engine.device === 'cpu';
  const made: TunedModel & { readonly settings?: Recipe['model'] } = recipe.tune
    ? await createTunedModel(recipe, { data, tasks: asked, run, logger, isOnHost, base: options.base })
    : await createRecipeModel(recipe, { data, tasks: asked, run, isResumed, isOnHost });
  const { config, parameters, base, starts } = made;
  using model = made.model;
  const tasks = fitTasks(asked, modelSize(config).textLength);
  const subsets = await runSubsets(data, tasks, { run: isResumed ? run : undefined });
  const sources = await buildTaskSources(
    data,
    { ...recipe, tasks },
    { image: model.image, vocabulary: model.vocabulary, subsets },
  );
  await checkFirstBatches(model, sources, recipe.seed);
  const isStarted = starts === 'always' || (starts === 'first' && !isResumed);
  const start = isStarted
    ? await startModel(model, options.base === undefined ? recipe : startedFrom(recipe, base, run), logger)
    : undefined;
  const scores = validatedScores(data, recipe, tasks);
  const unvalidated = datasetsWithoutValidation(data, tasks);
  const best = bestOf(recipe, { names: scores, unvalidated, logger });
  // Only a recipe that fits its suite claims the folder: the corrected one must not be refused after a typo.
  const known = isFirst ? await claimRun(run, recipe, engine) : undefined;
  if (isFirst) {
    await recordSubsets(run, subsets);
    if (start && !isResumed) await recordStart(run, start, made.settings);
  }
  const batchSizes = Object.fromEntries(
    Object.entries(tasks).map(([name, { batchSize }]) => [name, batchSize]),
  );
  const { steps, schedule, durations, every, isLookedAt } = planTraining(recipe, { sources, batchSizes });
  const { clipNorm } = recipe.optimizer;
  using optimizer = createOptimizer(parameters, recipe.optimizer);
  logger.info(
    `${recipe.tune ? 'tune' : 'pretrain'} ${recipe.name}: ${(parameters.size / 1e6).toFixed(2)}M parameters, ${sources.length} tasks, ${steps} steps, seed ${recipe.seed} -> ${run}`,
  );
  for (const path of architectureOf(config).idle?.(config) ?? []) {
    logger.warn(`model.${path} changes nothing: its routers decide for rows, not for tokens; leave it out`);
  }
  for (const [name, { list }] of subsets) {
    logger.info(
      `task ${name} learns from ${list.ids.length} of ${list.of} samples of ${list.dataset}, ${list.split}`,
    );
  }
  tellUnheld(recipe, datasetsWithoutHeldOut(data, tasks), { scores, unvalidated, logger });
  const validate = createValidation({ model, data, recipe, tasks });
  const watchDropped = watchDroppedChoices(logger);
  const extraState = modelState(model);
  const result = await train({
    parameters,
    optimizer,
    schedule,
    sources,
    loss: (batch, { random, step, exchange }) => {
      const telemetry = isLookedAt(step) && exchange?.isRehearsal !== true;
      const told = exchange ? { exchange } : {};
      const result = ofFamily(batch, () => model.loss(batch, { training: true, random, telemetry, ...told }));
      watchDropped(result.records);
      return result;
    },
    steps,
    seed: recipe.seed,
    runDirectory: run,
    accumulate: recipe.accumulate,
    weights: (batch) => model.weights(batch),
    ...(recipe.replay ? { replay: replayOf(model, isLookedAt, logger) } : {}),
    temperature: recipe.mixing.temperature,
    checkpointEvery: every(recipe.checkpoint.every),
    keepLast: recipe.checkpoint.keep,
    files: modelFiles(config, data.tokenizer, checkpointFolder(run, 0)),
    resume: options.resume ?? 'auto',
    validateEvery: every(recipe.validation.every),
    validate,
    ...(best ? { best } : {}),
    ...(extraState ? { extraState } : {}),
    callbacks: epochCallbacks(model, {
      every: recipe.endOfEpoch,
      durations: { ...durations, totalSteps: steps },
      validate,
    }),
    measure: measureTaskBatch,
    logger,
    progress,
    ...ranksOf(communicator, { recipe, model }),
    ...(known === undefined ? {} : { run: known }),
    ...(base ? { base } : {}),
    ...(clipNorm === null ? {} : { clipNorm }),
    ...(signal ? { signal } : {}),
    ...(lock ? { lock } : {}),
  });
  if (isFirst) await tellOutcome(run, recipe, { result, logger });
  return { ...result, run, recipe, engine };
};
