/** Starting a model from another one's weights. */
import { StateError, type Random } from '@polygate/core';
import { upcycle, type UniPerceiver } from '@polygate/encoder';
import type { Generalist } from './generalist.ts';
import { loadModel } from './model-folder.ts';

export interface InitializeOptions {
  /** Folder of a model or a run. */
  readonly from: string;
  /** Of copied experts, in units of each weight's own deviation. @default 0 */
  readonly noise?: number;
  readonly random: Random;
}

/**
 * Overwrites a model's weights by those of a saved one: a dense start becomes the copies of every expert (upcycling),
 * one with the same experts is taken as it is.
 * @throws StateError for a start without weights or of another tokenizer; ConfigError for one of other sizes, other
 * placement or another condition
 */
export const initialize = async (
  model: Generalist<UniPerceiver>,
  { from, noise = 0, random }: InitializeOptions,
): Promise<void> => {
  using start = await loadModel(from);
  if (start.tokenizer.hash !== model.tokenizer.hash) {
    throw new StateError(
      `initialize: expected a start with the suite's tokenizer (sha256 ${model.tokenizer.hash}), got one with sha256 ${start.tokenizer.hash} in ${from}; prepare the suite for the start: polygate prepare --recipe RECIPE --for ${from}`,
      { code: 'tokenizer-mismatch', fields: { from } },
    );
  }
  await upcycle(model.encoder, start.encoder, { noise, random });
  model.clearCaches();
};
