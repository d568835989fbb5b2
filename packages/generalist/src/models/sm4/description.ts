/** An SM^4 that a recipe asks for, in words, before anything is allocated. */
import { sm4PresetNamed } from './presets.ts';
import { expertGroups } from './sm4-config.ts';
import type { Sm4Settings } from './settings.ts';

/** @throws ConfigError for an unknown preset */
export const describeSm4Settings = (settings: Sm4Settings, tasks: readonly string[]): string => {
  const { preset, topK, allocation, pace, layers = 1 } = settings;
  const { latents = sm4PresetNamed(preset).latents, width = 64 } = settings;
  const groups = expertGroups(settings);
  const experts = groups.map(
    ({ name, experts: count = 1, condition = '', linears }) =>
      `${name}: ${count} experts by ${condition}, ${linears.length} ${linears.length === 1 ? 'router' : 'routers'} a block`,
  );
  return [
    `sm4 ${preset}: ${latents} latents of ${width} channels a modality, ${layers} ${layers === 1 ? 'block' : 'blocks'}, heads for ${tasks.join(', ')}`,
    ...(experts.length > 0 ? experts : ['no experts: dense blocks']),
    `experts of a token: ${allocation ? `from ${topK}, by the validation loss of its modality` : topK}`,
    `pace of a modality: ${pace ? 'by the entropy of its routers' : 'the same for all'}`,
  ].join('\n');
};
