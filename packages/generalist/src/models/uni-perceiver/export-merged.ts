/** Models for use alone: experts merged into dense weights for the segments that given tasks meet. */
import type { MergedEncoder } from '@polygate/encoder/merged';
import type { ExportChoice } from '../model.ts';
import { mergedParts } from './merged-parts.ts';
import { modelWithEncoder, type UniPerceiverModel } from './uni-perceiver-model.ts';

/**
 * The model with the experts of the chosen segments merged: the same predictions for them, no routers, no other experts.
 * It shares nothing with the model, and is saved and loaded like one.
 * @throws as `mergedParts`
 */
export const exportMerged = (
  model: UniPerceiverModel,
  choice: ExportChoice,
): UniPerceiverModel<MergedEncoder> => {
  const { encoder, ...parts } = mergedParts(model, choice);
  return modelWithEncoder(encoder, parts);
};
