/** A Uni-Perceiver in words and tables: what a recipe asks for, and what a model is. */
import {
  accountParameters,
  countFlops,
  formatExperts,
  formatParameterParts,
  formatParameterTable,
  presetNamed,
  type Encoder,
  type ResolvedEncoderConfig,
} from '@polygate/encoder';
import { encoderOf } from './encoder-of.ts';
import type { UniPerceiverSettings } from './settings.ts';

/** Side of the images that the operations are counted for: the paper's. */
const PIXELS = 224;

/**
 * The parameter table of the encoder that settings ask for, its dense form beside it, and the operations of one image.
 * Sizes are the preset's own: a suite's vocabulary replaces the preset's when it is trained.
 * @throws ConfigError for an unknown preset or sizes that make no encoder
 */
export const describeSettings = (settings: UniPerceiverSettings, tasks: readonly string[]): string => {
  const { preset } = settings;
  const { vocabularySize, patch } = presetNamed(preset);
  const encoder = encoderOf(settings, { vocabularySize, channels: patch.channels, tasks });
  const { moe, ...dense } = encoder;
  const models = [{ name: moe ? `${preset}, dense` : preset, config: dense }];
  if (moe) models.push({ name: preset, config: encoder });
  const patches = Math.floor(PIXELS / encoder.patch.size) ** 2;
  const flops = countFlops(encoder, { length: patches + 1, tokens: { visual: patches } });
  return [
    formatParameterTable(models),
    '',
    formatParameterParts(accountParameters(encoder)),
    '',
    formatExperts(encoder),
    `one image of ${PIXELS}x${PIXELS} (${patches + 1} tokens): ${(flops.forward / 1e9).toFixed(1)} GFLOP forward, ${(flops.training / 1e9).toFixed(1)} in training${flops.routing > 0 ? `, ${(flops.routing / 1e9).toFixed(2)} of them for routers` : ''}`,
  ].join('\n');
};

/** Facts of an encoder: name and value. */
export const describeEncoderOf = ({
  config,
}: Pick<Encoder, 'config'>): readonly (readonly [name: string, value: string])[] => {
  const { layers, width, heads, hidden } = config;
  const { moe } = config as Pick<ResolvedEncoderConfig, 'moe'>;
  return [
    ['encoder', `${layers} layers, width ${width}, ${heads} heads, hidden ${hidden}`],
    ['experts', moe ? formatExperts(config).replaceAll('\n', '; ') : 'none (dense)'],
  ];
};
