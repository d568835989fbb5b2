/**
 * The model of a recipe that tunes: the one that `initialize` names, as it is, with an adapter on it or with its own weights
 * to be trained on other tasks.
 */
import { ConfigError, createRandom, type Logger } from '@polygate/core';
import {
  architectureOf,
  createModel,
  loadModel,
  modelFolderOf,
  packagedModel,
  modelSize,
  parseRecipe,
  requireSuiteOf,
  trainedTasks,
  tuneModel,
  tuningMethodNamed,
  type Generalist,
  type ModelConfig,
  type OpenSuite,
  type Recipe,
} from '@polygate/generalist';
import { selectSpecs, type ParameterSelection, type ParameterSet } from '@polygate/nn';
import type { TaskRecipe } from '@polygate/tasks';
import { baseOf, type CheckpointBase } from '@polygate/training';
import { mergedStart } from './merged-start.ts';
import { requireRoomFor } from './recipe-model.ts';

export interface TunedModelOptions {
  readonly data: OpenSuite;
  readonly tasks: Readonly<Record<string, TaskRecipe>>;
  /** Folder of the run. */
  readonly run: string;
  readonly logger: Logger;
  /** Whether the model lies in the machine's memory, which is looked at before anything is trained. */
  readonly isOnHost: boolean;
  /**
   * Folder of what is tuned, or of its run, where it is no longer where the recipe and the checkpoint say; a run goes on
   * with the base that it began on alone.
   */
  readonly base?: string | undefined;
}

/** The model belongs to the caller. */
export interface TunedModel {
  readonly config: ModelConfig;
  readonly model: Generalist;
  /** What is trained: a part of the model, or all of it. */
  readonly parameters: ParameterSet;
  /** What checkpoints stand on where they hold a part of the model. */
  readonly base?: CheckpointBase;
  /** Whether the weights of a start are to be loaded into it, at every beginning or at the first alone. */
  readonly starts: 'never' | 'first' | 'always';
}

/** A recipe's model where it says nothing of one. */
const unsaid = (): string => JSON.stringify(parseRecipe({}).model);

/** @throws ConfigError for a recipe that tunes nothing, or describes another model beside the one that it tunes */
const startOf = ({ initialize, model }: Recipe): NonNullable<Recipe['initialize']> => {
  if (!initialize) {
    throw new ConfigError(
      'recipe: tune: expected initialize.from, the run or model that is tuned, got none; name it (--from FOLDER)',
      { fields: { path: 'initialize.from' } },
    );
  }
  if (JSON.stringify(model) === unsaid()) return initialize;
  throw new ConfigError(
    `recipe: tune: expected no model beside the one that is tuned (${initialize.from}), got settings of one; leave model out`,
    { fields: { path: 'model' } },
  );
};

/** The start itself with an adapter on it. */
const adapted = (
  start: Generalist,
  { tune, seed }: Recipe,
  config: Pick<ModelConfig, 'tasks' | 'extensions'>,
): Generalist =>
  tuneModel(start, {
    settings: tune as NonNullable<Recipe['tune']>,
    tasks: config.tasks ?? [],
    random: createRandom(seed).fork('model'),
    owned: true,
  });

/** A model of the start's configuration for the tasks of the recipe, with weights drawn. */
const retasked = (start: Generalist, recipe: Recipe, { data, tasks }: TunedModelOptions): Generalist => {
  const record = architectureOf(start.config);
  const trained = trainedTasks(tasks, data.suite);
  const { dropPath } = recipe.tune ?? {};
  const config = record.forTasks?.(start.config, { tasks: trained, dropPath }) ?? {
    ...start.config,
    tasks: trained,
  };
  return createModel(config, data.tokenizer, createRandom(recipe.seed).fork('model'));
};

/** What is trained of a model whose other parameters are those of its base: what is selected, and what the base lacks. */
const trainedOf = (
  { parameters }: Generalist,
  selection: ParameterSelection,
  ofBase: ReadonlySet<string>,
): ParameterSet => {
  const selected = new Set(selectSpecs(parameters.specs, selection, 'tune').map(({ name }) => name));
  return parameters.select(({ name }) => selected.has(name) || !ofBase.has(name));
};

const frozenAndMerged = (from: string): ConfigError =>
  new ConfigError(
    `tune: expected no frozen parts where experts are merged while they are tuned, as no base holds those; merge them first (polygate export --run ${from} --out FOLDER) and tune what that wrote, or leave tune.frozen out`,
    { code: 'frozen-merged' },
  );

/** Where a base lies that has been moved: a package's model, a model folder, or the checkpoint of a run. */
const movedPlace = async (folder: string, checkpoint: string | undefined): Promise<string> => {
  const packaged = await packagedModel(folder);
  if (packaged !== undefined) return packaged;
  const ofFolder = await modelFolderOf(folder).catch(() => undefined);
  return ofFolder === folder ? folder : modelFolderOf(folder, checkpoint);
};

/**
 * @throws ConfigError for a recipe or method that does not fit the start; StateError for a suite of another tokenizer, which
 * names how to prepare one for the start
 */
export const createTunedModel = async (recipe: Recipe, options: TunedModelOptions): Promise<TunedModel> => {
  const { data, tasks, run, logger, isOnHost, base } = options;
  const { from, checkpoint } = startOf(recipe);
  const { adapter, trains, merges } = tuningMethodNamed(recipe.tune?.method ?? '');
  const startFolder =
    base === undefined ? await modelFolderOf(from, checkpoint) : await movedPlace(base, checkpoint);
  const start = await loadModel(startFolder);
  // What is left to be freed when something does not fit.
  let made = start;
  try {
    requireSuiteOf(start, data, { run: from, logger });
    const size = modelSize(start.config);
    const requireTrained = (trained: number, parameters: number): void => {
      if (isOnHost) requireRoomFor({ ...recipe, tasks }, { model: { ...size, parameters }, data, trained });
    };
    if (adapter) {
      const config = { tasks: trainedTasks(tasks, data.suite) };
      const frozen = start.parameters.size;
      const model = adapted(start, recipe, config);
      made = model;
      requireTrained(model.parameters.size, frozen + model.parameters.size);
      return {
        config: model.config,
        model,
        parameters: model.parameters,
        base: await baseOf(startFolder, run),
        starts: 'never',
      };
    }
    const { tune } = recipe;
    const selection = tune && trains?.(tune);
    const isMerged = start.isExported || (tune !== undefined && merges?.(tune) === true);
    if (isMerged && !start.isExported && selection) throw frozenAndMerged(from);
    const ofBase = new Set(start.parameters.specs.map(({ name }) => name));
    const model = isMerged
      ? mergedStart(start, { tasks: trainedTasks(tasks, data.suite), dropPath: tune?.dropPath })
      : retasked(start, recipe, options);
    made = model;
    start.dispose();
    const parameters = selection ? trainedOf(model, selection, ofBase) : model.parameters;
    requireTrained(parameters.size, model.parameters.size);
    const rest = selection ? { base: await baseOf(startFolder, run) } : {};
    const starts = isMerged ? 'never' : selection ? 'always' : 'first';
    return { config: model.config, model, parameters, ...rest, starts };
  } catch (error) {
    made.dispose();
    throw error;
  }
};
