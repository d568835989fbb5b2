/** The model of a recipe for a suite: its configuration, the room that it needs, and the weights that it starts with. */
import { createRandom, type Logger } from '@polygate/core';
import {
  configureModel,
  createModel,
  describeInitialization,
  fitTasks,
  initialize,
  modelSize,
  parseConfig,
  serializeConfig,
  trainedTasks,
  type Generalist,
  type Initialization,
  type ModelConfig,
  type ModelSize,
  type OpenSuite,
  type Recipe,
} from '@polygate/generalist';
import type { ParameterSet } from '@polygate/nn';
import type { TaskRecipe } from '@polygate/tasks';
import { isDeepStrictEqual } from 'node:util';
import { modelSettings } from './model-settings.ts';
import { resumedConfig } from './run-folder.ts';
import { estimateSize, requireRoom } from './size-estimate.ts';

const CHANNELS = 3;

export interface RecipeModelOptions {
  readonly data: OpenSuite;
  readonly tasks: Readonly<Record<string, TaskRecipe>>;
  /** Folder of the run. */
  readonly run: string;
  /** Whether it goes on from a checkpoint, which then has the weights. */
  readonly isResumed: boolean;
  /** Whether the model lies in the machine's memory, which is looked at first. */
  readonly isOnHost: boolean;
}

/** The model belongs to the caller. */
export interface RecipeModel {
  readonly config: ModelConfig;
  /** Settings of the recipe's model, with what its start decides. */
  readonly settings: Recipe['model'];
  readonly model: Generalist;
  /** All of the model. */
  readonly parameters: ParameterSet;
  /** Weights of a start are loaded when the run begins. */
  readonly starts: 'first';
}

/**
 * Looks whether the machine has room to train a model on a suite.
 * @param options `trained`: scalars that are trained, where the rest is frozen
 * @throws ConfigError (code `memory`)
 */
export const requireRoomFor = (
  recipe: Recipe,
  {
    model,
    data,
    trained,
  }: { readonly model: ModelSize; readonly data: OpenSuite; readonly trained?: number },
): void => {
  const { image, textLength } = data.suite;
  const sizes = { model, channels: CHANNELS, pixels: Math.max(image.height, image.width), textLength };
  requireRoom(recipe, estimateSize(recipe, { ...sizes, ...(trained === undefined ? {} : { trained }) }));
};

/**
 * Whether a configuration that was read from a file says the same as another one. That is taken then, as the file has its
 * fields in another order, and a run that goes on writes what one that was never stopped writes.
 */
const isSameConfig = (configured: ModelConfig, begun: ModelConfig): boolean => {
  const { config } = parseConfig(serializeConfig({ ...configured, extensions: [] }), 'of the recipe');
  return isDeepStrictEqual({ ...config, extensions: [] }, { ...begun, extensions: [] });
};

/**
 * Draws the model of a recipe by its seed.
 * @throws ConfigError for settings that make no model, a suite of other images than the run began with, or (code
 * `memory`) a machine without the room
 */
export const createRecipeModel = async (
  recipe: Recipe,
  options: RecipeModelOptions,
): Promise<RecipeModel> => {
  const { data, tasks, run, isResumed, isOnHost } = options;
  const image = { ...data.suite.image, channels: CHANNELS };
  const settings = await modelSettings(recipe, { image, resumed: isResumed ? run : undefined });
  const configuredFor = (chosen: RecipeModelOptions['tasks']): ModelConfig =>
    configureModel(settings, {
      vocabularySize: data.tokenizer.size,
      image,
      tokenizerHash: data.tokenizer.hash,
      tasks: trainedTasks(chosen, data.suite),
    });
  // How long its texts are is known once it is configured; the tasks that it is trained on follow from that.
  const configured = configuredFor(fitTasks(tasks, modelSize(configuredFor(tasks)).textLength));
  const begun = isResumed ? await resumedConfig(run, data) : undefined;
  const { extensions } = recipe;
  const config = {
    ...(begun && !isSameConfig(configured, begun) ? begun : configured),
    ...(extensions.length > 0 ? { extensions } : {}),
  };
  if (isOnHost) requireRoomFor({ ...recipe, tasks }, { model: modelSize(config), data });
  const model = createModel(config, data.tokenizer, createRandom(recipe.seed).fork('model'));
  return { config, settings, model, parameters: model.parameters, starts: 'first' };
};

/** Overwrites drawn weights by those that a recipe starts from. @returns what was taken; undefined where it names none */
export const startModel = async (
  model: Generalist,
  { initialize: choice, seed }: Recipe,
  logger: Logger,
): Promise<Initialization | undefined> => {
  if (!choice) return undefined;
  const start = await initialize(model, { ...choice, random: createRandom(seed).fork('initialize') });
  logger.info(describeInitialization(start));
  return start;
};
