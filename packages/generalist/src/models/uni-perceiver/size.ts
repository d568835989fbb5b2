/**
 * Sizes of a Uni-Perceiver for estimates, nothing allocated.
 *
 * T positions · L layers · D width · F hidden · H heads
 */
import { accountParameters, modalitySettings } from '@polygate/encoder';
import { describeMergedEncoder, isMergedConfig } from '@polygate/encoder/merged';
import { text, visual } from '@polygate/modalities';
import { sizeOf } from '@polygate/nn';
import type { ModelSize } from '../architecture.ts';
import type { UniPerceiverConfig } from './uni-perceiver-config.ts';

/** @throws ConfigError for a configuration that makes no encoder */
export const uniPerceiverSize = ({ encoder }: Pick<UniPerceiverConfig, 'encoder'>): ModelSize => {
  const { layers, width, hidden, heads } = encoder;
  const parameters = isMergedConfig(encoder)
    ? describeMergedEncoder(encoder).reduce((sum, { shape }) => sum + sizeOf(shape), 0)
    : accountParameters(encoder).trained;
  // Per position and layer: two norms, the fused projection, mixed values, both branches' outputs, hidden twice.
  const perPosition = 9 * width + 2 * hidden;
  return {
    parameters,
    patch: modalitySettings(encoder, visual).patch.size,
    textLength: modalitySettings(encoder, text).maxPositions,
    activations: (positions) => layers * (positions * perPosition + heads * positions * positions),
    leastActivations: (positions) => positions * (layers * width + perPosition),
  };
};
