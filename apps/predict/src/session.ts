/** A model of a run folder on an engine, ready for predictions. */
import { silentLogger, type Logger } from '@polygate/core';
import { loadModel, readRun, type Generalist } from '@polygate/generalist';
import { selectEngine, type EngineChoice, type EngineOptions } from '@polygate/tensor';

export interface PredictOptions extends Pick<EngineOptions, 'engine' | 'device' | 'precision' | 'threads'> {
  /** Folder of a run or of a model. */
  readonly run: string;
  /**
   * Checkpoint that is used: `best`, `last`, or a name such as `step-1500`.
   * @default the best by the score that the run's recipe names, else the last
   */
  readonly checkpoint?: string;
  /** Task of the model that is asked, for routers that look at it. @default the first of the prediction's family */
  readonly task?: string;
}

export interface PredictContext {
  readonly logger?: Logger;
}

export interface PredictSession {
  readonly model: Generalist;
  readonly engine: EngineChoice;
}

/**
 * Runs `work` with the model of a run folder and frees it afterwards.
 * @throws StateError for a folder without a model, EngineError for an engine that isn't there, and what `work` throws
 */
export const withModel = async <A>(
  options: PredictOptions,
  context: PredictContext,
  work: (session: PredictSession) => Promise<A>,
): Promise<A> => {
  const { run, engine = 'auto', device, threads } = options;
  const record = await readRun(run, options.checkpoint);
  const choice = await selectEngine({
    engine,
    logger: context.logger ?? silentLogger,
    // What `evaluate` scores is what predictions are, so both compute as the run did.
    precision: options.precision ?? record.recipe?.precision ?? 'f32',
    precisionRequired: options.precision !== undefined,
    ...(device === undefined ? {} : { device }),
    ...(threads === undefined ? {} : { threads }),
  });
  using model = await loadModel(record.model);
  if (model.config.image.fit === undefined) {
    context.logger?.info(
      `${run} does not say how its pictures were made: they are read whole on white, which fits suites of the default image.fit and image.background`,
    );
  }
  return await work({ model, engine: choice });
};

/** Says so where a model was trained on no task of a family: it answers all the same, but by chance. */
export const warnUntrained = (
  { config }: Generalist,
  family: NonNullable<Generalist['config']['tasks']>[number]['family'],
  { logger = silentLogger }: PredictContext,
): void => {
  const families = config.tasks?.map((task) => task.family) ?? [];
  if (families.length === 0 || families.includes(family)) return;
  logger.warn(
    `this model was trained on no ${family}, only on ${[...new Set(families)].join(', ')}: what it says here is a guess`,
  );
};
