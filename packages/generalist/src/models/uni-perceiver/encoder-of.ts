/** The encoder that a recipe asks for. */
import { presetNamed, type EncoderConfig, type ExpertConfig } from '@polygate/encoder';
import { defined } from '../defined.ts';
import type { UniPerceiverSettings } from './settings.ts';

/** The condition that has one expert for each task, whatever a preset says. */
const TASK_SPECIFIC = 'task-specific';

/** The experts of a recipe over those of its preset. Another condition starts from that condition's own numbers. */
const expertsOf = (
  own: UniPerceiverSettings['moe'],
  preset: ExpertConfig | undefined,
  tasks: readonly string[],
): ExpertConfig | undefined => {
  if (own === null || (own === undefined && preset === undefined)) return undefined;
  const { experts, topK, ...base } = preset ?? {};
  const numbers = own?.condition === TASK_SPECIFIC ? {} : defined({ experts, topK });
  const { capacityFactor, ...settings } = own ?? {};
  const capacity = typeof capacityFactor === 'object' ? defined(capacityFactor) : capacityFactor;
  return {
    ...base,
    ...numbers,
    ...defined(settings),
    ...(capacity === undefined ? {} : { capacityFactor: capacity }),
    ...(tasks.length > 0 ? { tasks } : {}),
  };
};

/**
 * The encoder that a recipe asks for: its preset with the recipe's own settings over it.
 * @param sizes what the data decide: the vocabulary, the pictures' channels, and the names of the tasks, which experts
 * may be chosen by
 * @throws ConfigError for an unknown preset
 */
export const encoderOf = (
  model: UniPerceiverSettings,
  sizes: { readonly vocabularySize: number; readonly channels: number; readonly tasks?: readonly string[] },
): EncoderConfig => {
  const { preset, patchSize, moe, ...own } = model;
  const { moe: presetMoe, ...base } = presetNamed(preset);
  const experts = expertsOf(moe, presetMoe, sizes.tasks ?? []);
  return {
    ...base,
    ...defined(own),
    vocabularySize: sizes.vocabularySize,
    prefixToken: sizes.vocabularySize - 2,
    patch: { size: patchSize ?? base.patch.size, channels: sizes.channels },
    ...(experts ? { moe: experts } : {}),
  };
};
