/** SM^4 as a record: sparse mixtures of experts over the latents of many modalities, with a head for each task. */
import { describeSm4Settings } from './description.ts';
import { sizeOf } from '@polygate/nn';
import { z } from 'zod';
import type { ModelArchitecture } from '../architecture.ts';
import { configureSm4, type Sm4Config } from './sm4-config.ts';
import { describeSm4, SM4, Sm4Model } from './sm4-model.ts';
import { sm4Settings, type Sm4Settings } from './settings.ts';
import { DEFAULT_MAXIMUM_TOKENS } from '../model-config.ts';

export const sm4: ModelArchitecture<Sm4Config, Sm4Settings> = {
  name: SM4,
  summary:
    'latents of any modality, mixtures of experts for attention and feed-forward part, a supervised head for each task',
  settings: sm4Settings,
  /** Checked by the encoder when it is made. */
  config: { encoder: z.record(z.string(), z.unknown()), sm4: z.record(z.string(), z.unknown()) },
  configure: configureSm4,
  create: (config, parts) => new Sm4Model(config, parts),
  size(config) {
    const parameters = describeSm4(config).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    const { width = 64, latents = 12, inputs } = config.encoder;
    const widest = Math.max(...Object.values(inputs).map((input) => input.width));
    // Tokens are kept once, with keys and values; the latents of a modality pass an attention of 8 x 64 and a block.
    const ofTokens = 2 * widest + 2 * width;
    const ofLatents = latents * 64 * width;
    return {
      parameters,
      patch: config.sm4.patch,
      textLength: config.maximumTokens ?? DEFAULT_MAXIMUM_TOKENS,
      activations: (positions) => positions * ofTokens + ofLatents,
      leastActivations: (positions) => positions * widest + latents * width,
    };
  },
  standIn: () => ({ vocabularySize: 4096, image: { height: 32, width: 32, channels: 3 } }),
  describe: describeSm4Settings,
};
