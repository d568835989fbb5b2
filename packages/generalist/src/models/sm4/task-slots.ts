/**
 * Which tokens a task shows to a model of its own encoder: its slots, each an input with a vector of its own in the head of
 * the task, in the order of the segments of its batches.
 */
import { ConfigError } from '@polygate/core';
import { modalityNamed, type ImageInput, type RawShape } from '@polygate/modalities';
import { taskFamilyNamed, type TrainedTask } from '@polygate/tasks';

/** What inputs are read by. */
export interface SlotSources {
  /** Images of the model, in its patches. */
  readonly image: ImageInput;
  readonly vocabularySize: number;
}

/** An input of a task. */
export interface TaskSlot {
  readonly modality: string;
  readonly shape: RawShape;
  /** Tokens of a sample, at most. */
  readonly tokens: number;
}

/** Longest text of families that say no inputs of their own. */
const LONGEST_TEXT = 512;

/**
 * The slots of a task.
 * @throws ConfigError for a modality whose record gives no tokens
 */
export const taskSlots = (
  { name, family, settings }: Pick<TrainedTask, 'name' | 'family' | 'settings'>,
  { image, vocabularySize }: SlotSources,
): readonly TaskSlot[] => {
  const record = taskFamilyNamed(family);
  const endToken = vocabularySize - 1;
  const tokenizer = { size: vocabularySize, specials: { endoftext: endToken } };
  const given = record.inputs?.(settings, { image, tokenizer });
  const general = { ...image, vocabularySize, endToken, maximumTokens: LONGEST_TEXT };
  const inputs =
    given ?? (record.signature?.inputs ?? []).map((modality) => ({ modality, input: general as object }));
  return inputs.map(({ modality, input }) => {
    const { rawShape, tokens } = modalityNamed(modality);
    if (!rawShape) {
      throw new ConfigError(
        `task "${name}": expected a modality whose record gives its tokens, got ${modality}; add rawShape and rawTokens to it`,
        { code: 'record', fields: { task: name, modality } },
      );
    }
    return { modality, shape: rawShape(input), tokens: tokens(input) };
  });
};

/** Outputs of a task's head: its classes, or the numbers that it tells. */
export const outputsOf = ({ classes, settings }: Pick<TrainedTask, 'classes' | 'settings'>): number => {
  const { outputs } = (settings ?? {}) as { readonly outputs?: unknown };
  if (classes) return classes.length;
  if (Array.isArray(outputs)) return outputs.length;
  return typeof outputs === 'number' ? outputs : 1;
};
