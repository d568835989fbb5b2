/** Starting a model from another one's weights: transfer to new tasks, upcycling, another placement of experts. */
import { ConfigError, StateError } from '@polygate/core';
import { sha256File } from '@polygate/core/node';
import { join } from 'node:path';
import type { Generalist, StartOptions } from './model.ts';
import { initialization, type Initialization } from './initialization.ts';
import type { ModelImage } from './model-config.ts';
import { architectureOf, type ModelSettings } from './model-settings.ts';
import { loadModel, modelFolderOf, readModelConfig, WEIGHTS_FILE } from './model-folder.ts';
import { howMade } from '../suite-fit.ts';

/** Which weights a start has. */
export interface StartChoice {
  /** Folder of a model (trained, dense or exported) or of a run. */
  readonly from: string;
  /** Of a run: `best`, `last`, or a name such as `step-1500`. @default the best one where its recipe names a score, else the last */
  readonly checkpoint?: string | undefined;
}

/** A start and how it is taken. */
export interface InitializeOptions extends StartChoice, StartOptions {}

/**
 * Overwrites a model's weights by those of a saved one as far as they fit, see its `startFrom`. The tasks of the two need
 * have nothing in common.
 * @returns what was taken, what is new and why
 * @throws StateError for a start without weights or of another tokenizer; FormatError for a damaged one; ConfigError for
 * one of another architecture or other sizes, or (strict) one that does not fit as a whole
 */
export const initialize = async (
  model: Generalist,
  { from, checkpoint, ...options }: InitializeOptions,
): Promise<Initialization> => {
  const folder = await modelFolderOf(from, checkpoint);
  using start = await loadModel(folder);
  if (start.tokenizer.hash !== model.tokenizer.hash) {
    throw new StateError(
      `initialize: expected a start with the suite's tokenizer (sha256 ${model.tokenizer.hash}), got one with sha256 ${start.tokenizer.hash} in ${from}; prepare the suite for the start: polygate prepare --recipe RECIPE --for ${from}`,
      { code: 'tokenizer-mismatch', fields: { from } },
    );
  }
  if (!model.startFrom) {
    throw new ConfigError(
      `initialize: expected a model that starts from others' weights, got one of ${model.architecture}, which has no method startFrom; leave initialize out of the recipe, or give the model that method`,
      { code: 'no-start', fields: { from, architecture: model.architecture } },
    );
  }
  if (start.architecture !== model.architecture) {
    throw new ConfigError(
      `initialize: expected a start of the model's architecture, ${model.architecture}, got one of ${start.architecture} in ${from}; leave initialize out of the recipe, or give another start`,
      { code: 'architecture-differs', fields: { from } },
    );
  }
  const plan = await model.startFrom(start, options);
  const settings = [...plan.settings, ...imageDifferences(model.config.image, start.config.image)];
  const sha256 = await sha256File(join(folder, WEIGHTS_FILE));
  return initialization({ ...plan, settings }, { from, folder, sha256 });
};

/** What differs between the images of two models, with both values. */
const imageDifferences = (image: ModelImage, start: ModelImage): readonly string[] => {
  const sizeText = ({ height, width }: ModelImage): string => `${height} x ${width}`;
  const isMade = image.fit !== undefined && start.fit !== undefined;
  return [
    ...(sizeText(image) === sizeText(start)
      ? []
      : [`image size (model ${sizeText(image)}, start ${sizeText(start)})`]),
    ...(!isMade || howMade(image) === howMade(start)
      ? []
      : [`images (model ${howMade(image)}, start ${howMade(start)})`]),
  ];
};

/**
 * Settings of a recipe's model that its start decides and the recipe leaves open.
 * @param recipe the recipe's model and the images that it is for
 */
export const settingsOfStart = async (
  { from, checkpoint }: StartChoice,
  recipe: { readonly model: ModelSettings; readonly image: ModelImage },
): Promise<Partial<ModelSettings>> => {
  const { config: start } = await readModelConfig(await modelFolderOf(from, checkpoint));
  const { model, image } = recipe;
  const record = architectureOf(model);
  // A start of another architecture is named when its weights are asked for.
  return (architectureOf(start) === record && record.settingsOfStart?.(model, { start, image })) || {};
};
