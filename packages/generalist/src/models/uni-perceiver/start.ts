/** Starting a Uni-Perceiver from another one's weights. */
import { ConfigError } from '@polygate/core';
import { transferWeights, type Encoder } from '@polygate/encoder';
import type { StartOptions, StartReport } from '../model.ts';
import { isTrained } from './routing.ts';

/**
 * Overwrites an encoder's weights by those of another as far as they fit, see `planTransfer` of @polygate/encoder.
 * @throws ConfigError for one of other sizes, (strict) one that does not fit as a whole, and an encoder with merged
 * experts, which is not trained
 */
export const startEncoder = (
  encoder: Encoder,
  start: Encoder,
  options: StartOptions,
): Promise<StartReport> => {
  if (isTrained(encoder)) return transferWeights(encoder, start, options);
  throw new ConfigError(
    'initialize: expected a model that is trained, got one that was exported; start the model of a recipe',
    { code: 'not-trainable' },
  );
};
