/** The encoder that a recipe asks for. */
import {
  presetNamed,
  TEMPERATURES,
  type ExpertConfig,
  type GroupSettings,
  type PresetConfig,
} from '@polygate/encoder';
import { defined } from '../defined.ts';
import type { UniPerceiverSettings } from './settings.ts';

/** The condition that has one expert for each task, whatever a preset says. */
const TASK_SPECIFIC = 'task-specific';

type ExpertSettings = NonNullable<UniPerceiverSettings['moe']>;

/** Settings without those that are not set, also inside of them. */
const settingsOf = <S extends Omit<ExpertSettings, 'groups'>>(given: S): GroupSettings => {
  const { capacityFactor, ...settings } = given;
  const capacity = typeof capacityFactor === 'object' ? defined(capacityFactor) : capacityFactor;
  return { ...defined(settings), ...(capacity === undefined ? {} : { capacityFactor: capacity }) };
};

const groupOf = ({ name, linears, blocks, ...settings }: NonNullable<ExpertSettings['groups']>[number]) => ({
  name,
  linears,
  ...(blocks === undefined ? {} : { blocks: Array.isArray(blocks) ? blocks : defined(blocks) }),
  ...settingsOf(settings),
});

/**
 * The experts of a recipe over those of its preset. Another condition starts from that condition's own numbers, and groups
 * leave nothing of the preset.
 */
const expertsOf = (
  own: UniPerceiverSettings['moe'],
  preset: ExpertConfig | undefined,
  tasks: readonly string[],
): ExpertConfig | undefined => {
  if (own === null || (own === undefined && preset === undefined)) return undefined;
  const named = tasks.length > 0 ? { tasks } : {};
  const { groups, ...settings } = own ?? {};
  if (groups) return { ...settingsOf(settings), groups: groups.map(groupOf), ...named };
  const { experts, topK, ...base } = preset ?? {};
  const numbers = settings.condition === TASK_SPECIFIC ? {} : defined({ experts, topK });
  return { ...base, ...numbers, ...settingsOf(settings), ...named };
};

/**
 * The encoder that a recipe asks for: its preset with the recipe's own settings over it.
 * @param sizes what the data decide: the vocabulary, the pictures' channels, the names of the tasks, which experts may be
 * chosen by, and the temperatures of their families, which the model has beside the paper's five
 * @throws ConfigError for an unknown preset
 */
export const encoderOf = (
  model: UniPerceiverSettings,
  sizes: {
    readonly vocabularySize: number;
    readonly channels: number;
    readonly tasks?: readonly string[];
    readonly temperatures?: readonly string[];
  },
): PresetConfig => {
  const { preset, patchSize, moe, modalities, ...own } = model;
  const { moe: presetMoe, ...base } = presetNamed(preset);
  const experts = expertsOf(moe, presetMoe, sizes.tasks ?? []);
  const others = (sizes.temperatures ?? []).filter((name) => !TEMPERATURES.includes(name));
  return {
    ...base,
    ...defined(own),
    vocabularySize: sizes.vocabularySize,
    prefixToken: sizes.vocabularySize - 2,
    patch: { size: patchSize ?? base.patch.size, channels: sizes.channels },
    // Those of the recipe stand beside the preset's, whose settings are above.
    ...(modalities ? { modalities: { visual: {}, text: {}, ...modalities } } : {}),
    ...(others.length > 0 ? { temperatures: [...TEMPERATURES, ...new Set(others)] } : {}),
    ...(experts ? { moe: experts } : {}),
  };
};
