/** The encoder that a recipe asks for. */
import {
  presetNamed,
  resolveEncoderConfig,
  type EncoderConfig,
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
  given: UniPerceiverSettings['moe'],
  preset: ExpertConfig | undefined,
  tasks: readonly string[],
): ExpertConfig | undefined => {
  if (given === null || (given === undefined && preset === undefined)) return undefined;
  const named = tasks.length > 0 ? { tasks } : {};
  const { groups, ...settings } = given ?? {};
  if (groups) return { ...settingsOf(settings), groups: groups.map(groupOf), ...named };
  const { experts, topK, ...base } = preset ?? {};
  const numbers = settings.condition === TASK_SPECIFIC ? {} : defined({ experts, topK });
  return { ...base, ...numbers, ...settingsOf(settings), ...named };
};

/** What the data decide of an encoder. */
export interface EncoderSizes {
  readonly vocabularySize: number;
  /** Channels of the images. */
  readonly channels: number;
  /** Names of the tasks, which experts may be chosen by. */
  readonly tasks?: readonly string[];
  /** Modalities that the tasks show, with the settings that they need. @default those of the preset */
  readonly modalities?: Readonly<Record<string, object>>;
  /** Temperatures of the tasks' families. @default those of a configuration that names none */
  readonly temperatures?: readonly string[];
}

/**
 * The preset's modalities, whose settings stand on the top level, and beside them those that the recipe names or the tasks
 * show; none where there are no others.
 */
const modalitiesOf = (
  given: UniPerceiverSettings['modalities'] = {},
  shown: Readonly<Record<string, object>>,
): EncoderConfig['modalities'] => {
  const preset: Readonly<Record<string, object>> = { visual: {}, text: {} };
  const named = Object.entries(given).map(
    ([name, settings]) => [name, { ...shown[name], ...settings }] as const,
  );
  const all = { ...preset, ...shown, ...Object.fromEntries(named) };
  return Object.keys(all).length > Object.keys(preset).length || Object.keys(given).length > 0
    ? all
    : undefined;
};

/**
 * The encoder that a recipe asks for: its preset with the recipe's own settings over it.
 * @throws ConfigError for an unknown preset
 */
export const encoderOf = (model: UniPerceiverSettings, sizes: EncoderSizes): PresetConfig => {
  const { preset, patchSize, moe, modalities: given, ...encoderSettings } = model;
  const { moe: presetMoe, ...base } = presetNamed(preset);
  const experts = expertsOf(moe, presetMoe, sizes.tasks ?? []);
  const temperatures = [...new Set(sizes.temperatures)];
  const modalities = modalitiesOf(given, sizes.modalities ?? {});
  const config = {
    ...base,
    ...defined(encoderSettings),
    vocabularySize: sizes.vocabularySize,
    prefixToken: sizes.vocabularySize - 2,
    patch: { size: patchSize ?? base.patch.size, channels: sizes.channels },
    ...(modalities ? { modalities } : {}),
    ...(temperatures.length > 0 ? { temperatures } : {}),
    ...(experts ? { moe: experts } : {}),
  };
  // The bits that routers see are part of what was trained, whatever a record says later.
  const attributes = modalities && resolveEncoderConfig(config).moe?.attributes;
  return attributes ? { ...config, moe: { ...experts, attributes } } : config;
};
