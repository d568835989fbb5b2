/** What an SM^4 is, as plain JSON, and how it follows from settings and tasks. */
import type { ExpertGroupConfig, LatentEncoderConfig, LatentInput } from '@polygate/encoder';
import { defined } from '../defined.ts';
import type { ModelData } from '../architecture.ts';
import type { ModelConfig } from '../model-config.ts';
import { sm4PresetNamed } from './presets.ts';
import type { AllocationSettings, PaceSettings, Sm4Settings } from './settings.ts';
import { taskSlots } from './task-slots.ts';

/** What its config.json has of a modality. */
export interface Sm4Input extends LatentInput {
  /** Positions of an only axis, at most. */
  readonly extent?: number;
}

/** An SM^4. */
export interface Sm4Config extends ModelConfig {
  readonly encoder: LatentEncoderConfig & { readonly inputs: Readonly<Record<string, Sm4Input>> };
  readonly sm4: {
    readonly patch: number;
    readonly textWidth: number;
    readonly vocabularySize: number;
    readonly topK: number;
    readonly momentum: number;
    readonly allocation: AllocationSettings | null;
    readonly pace: PaceSettings | null;
  };
}

const CONDITIONS = { single: 'token', modality: 'token-by-modality', task: 'token-by-task' } as const;

/** Experts of attention and feed-forward part as settings ask for them (SM^4, sections 3.1 and 4). */
export const expertGroups = (settings: Sm4Settings): readonly ExpertGroupConfig[] => {
  const { attention, feedForward, sharedAttentionRouter, topK, renormalize, noise, capacityFactor } =
    settings;
  const { preset, blocks } = settings;
  const { experts = sm4PresetNamed(preset).experts, balance = sm4PresetNamed(preset).balance } = settings;
  const common = {
    ...{ experts, topK, renormalize, noise, losses: { importance: balance, load: balance } },
    capacityFactor: typeof capacityFactor === 'string' ? capacityFactor : defined(capacityFactor),
    ...(blocks === undefined ? {} : { blocks: Array.isArray(blocks) ? blocks : defined(blocks) }),
  };
  const projections = ['attention.query', 'attention.key', 'attention.value'];
  return [
    ...(attention === 'dense'
      ? []
      : [
          {
            ...common,
            name: 'attention',
            condition: CONDITIONS[attention],
            linears: sharedAttentionRouter ? [projections] : projections,
          },
        ]),
    ...(feedForward === 'dense'
      ? []
      : [
          {
            ...common,
            name: 'ffn',
            condition: CONDITIONS[feedForward],
            linears: [['ffn.fc1', 'ffn.fc2']],
            wholeExperts: true,
          },
        ]),
  ] as readonly ExpertGroupConfig[];
};

const greater = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.max(a, b);

/** Sizes of the tokens of every modality, of the tasks and of what settings ask room for. */
const inputsOf = (settings: Sm4Settings, data: ModelData): Readonly<Record<string, Sm4Input>> => {
  const { patchSize: patch, textWidth } = settings;
  const { image, vocabularySize, tasks = [] } = data;
  const inputs = new Map<string, Sm4Input>();
  const add = (name: string, { width, axes, extent }: Sm4Input): void => {
    const before = inputs.get(name);
    const longest = greater(before?.extent, extent);
    inputs.set(name, {
      width: Math.max(before?.width ?? 0, width),
      axes: Math.max(before?.axes ?? 0, axes),
      ...(longest === undefined ? {} : { extent: longest }),
    });
  };
  for (const [name, input] of Object.entries(settings.inputs ?? {})) add(name, defined(input));
  for (const slot of tasks.flatMap((task) =>
    taskSlots(task, { image: { ...image, patch }, vocabularySize }),
  )) {
    const { modality, shape, tokens } = slot;
    add(modality, {
      width: shape.vocabulary === undefined ? shape.width : textWidth,
      axes: shape.axes,
      ...(shape.axes === 1 ? { extent: tokens } : {}),
    });
  }
  // Before there are tasks, as estimates have it, a model reads images.
  if (inputs.size === 0) add('visual', { width: patch * patch * image.channels, axes: 2 });
  return Object.fromEntries(inputs);
};

/** @throws ConfigError for an unknown preset, or a task whose inputs a modality can't give as tokens */
export const configureSm4 = (settings: Sm4Settings, data: ModelData): Sm4Config => {
  const { vocabularySize, ...rest } = data;
  const { latents = sm4PresetNamed(settings.preset).latents } = settings;
  const { width, crossHeads, crossHeadWidth, latentLayers, latentHeads, latentHeadWidth } = settings;
  const { latentHidden, layers, heads, hidden, bands, maximalFrequency, join, pooling } = settings;
  const { patchSize: patch, textWidth, topK, momentum, allocation, pace } = settings;
  const groups = expertGroups(settings);
  return {
    ...rest,
    encoder: {
      ...defined({ width, crossHeads, crossHeadWidth, latentLayers, latentHeads, latentHeadWidth }),
      ...defined({ latentHidden, layers, heads, hidden, bands, maximalFrequency }),
      ...{ latents, join, pooling, inputs: inputsOf(settings, data) },
      tasks: (data.tasks ?? []).map(({ name }) => name),
      ...(groups.length > 0 ? { moe: { groups } } : {}),
    },
    sm4: {
      ...{ patch, textWidth, vocabularySize, topK, momentum },
      allocation: allocation && defined(allocation),
      pace,
    },
  };
};
