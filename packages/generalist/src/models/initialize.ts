/** Starting a model from another one's weights: transfer to new tasks, upcycling, another placement of experts. */
import { StateError, type Random } from '@polygate/core';
import { sha256File } from '@polygate/core/node';
import { transferWeights, type UniPerceiver } from '@polygate/encoder';
import { join } from 'node:path';
import type { Generalist } from './uni-perceiver/uni-perceiver-model.ts';
import { initialization, type Initialization } from './initialization.ts';
import type { ModelImage } from './model-config.ts';
import { loadModel, modelFolderOf, readModelConfig, WEIGHTS_FILE } from './model-folder.ts';
import { howMade } from '../suite-fit.ts';

/** Which weights a start has. */
export interface StartChoice {
  /** Folder of a model (trained, dense or exported) or of a run. */
  readonly from: string;
  /** Of a run: `best`, `last`, or a name such as `step-1500`. @default the best one where its recipe names a score, else the last */
  readonly checkpoint?: string | undefined;
}

export interface InitializeOptions extends StartChoice {
  /** Of experts that start as copies or means, in units of each weight's own deviation. @default 0 */
  readonly noise?: number;
  /** Whether every parameter must be taken as it is. @default false */
  readonly strict?: boolean;
  readonly random: Random;
}

/**
 * Overwrites a model's weights by those of a saved one as far as they fit, see `planTransfer` of @polygate/encoder. The
 * tasks of the two need have nothing in common.
 * @returns what was taken, what is new and why
 * @throws StateError for a start without weights or of another tokenizer; FormatError for a damaged one; ConfigError for
 * one of other sizes, or (strict) one that does not fit as a whole
 */
export const initialize = async (
  model: Generalist<UniPerceiver>,
  { from, checkpoint, noise = 0, strict = false, random }: InitializeOptions,
): Promise<Initialization> => {
  const place = await modelFolderOf(from, checkpoint);
  using start = await loadModel(place);
  if (start.tokenizer.hash !== model.tokenizer.hash) {
    throw new StateError(
      `initialize: expected a start with the suite's tokenizer (sha256 ${model.tokenizer.hash}), got one with sha256 ${start.tokenizer.hash} in ${from}; prepare the suite for the start: polygate prepare --recipe RECIPE --for ${from}`,
      { code: 'tokenizer-mismatch', fields: { from } },
    );
  }
  const plan = await transferWeights(model.encoder, start.encoder, { noise, random, strict });
  model.clearCaches();
  const settings = [...plan.settings, ...pictureDifferences(model.config.image, start.config.image)];
  const sha256 = await sha256File(join(place, WEIGHTS_FILE));
  return initialization({ ...plan, settings }, { from, place, sha256 });
};

/** What differs between the pictures of two models, with both values. */
const pictureDifferences = (own: ModelImage, start: ModelImage): readonly string[] => {
  const sizeText = ({ height, width }: ModelImage): string => `${height} x ${width}`;
  const isMade = own.fit !== undefined && start.fit !== undefined;
  return [
    ...(sizeText(own) === sizeText(start)
      ? []
      : [`picture size (model ${sizeText(own)}, start ${sizeText(start)})`]),
    ...(!isMade || howMade(own) === howMade(start)
      ? []
      : [`pictures (model ${howMade(own)}, start ${howMade(start)})`]),
  ];
};

/** Patches along the longer side of a model's pictures. */
const gridOf = ({ height, width }: Pick<ModelImage, 'height' | 'width'>, patch: number): number =>
  Math.max(height, width) / patch;

/**
 * The factor on the coordinates of patches with which pictures of another grid span what the start was trained on: what
 * interpolating its positions to the new grid gives.
 * @param own picture and patch of the model that starts
 */
export const startGridScale = async (
  { from, checkpoint }: StartChoice,
  own: { readonly image: Pick<ModelImage, 'height' | 'width'>; readonly patch: number },
): Promise<number> => {
  const { config } = await readModelConfig(await modelFolderOf(from, checkpoint));
  const { patch, gridScale = 1 } = config.encoder;
  return (gridScale * gridOf(config.image, patch.size)) / gridOf(own.image, own.patch);
};
