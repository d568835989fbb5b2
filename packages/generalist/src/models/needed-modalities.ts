/** Modalities that the tasks of a model show, with the settings that their inputs need of what embeds them. */
import { modalityNamed, type ImageInput } from '@polygate/modalities';
import { familySegments, taskFamilyNamed, type TrainedTask } from '@polygate/tasks';

/** What is known of a model before it is made. */
export interface NeededContext {
  readonly image: ImageInput;
  readonly vocabularySize: number;
}

/**
 * Settings by the name of the modality, empty where its record decides.
 * @throws ConfigError for an input that its modality can't read
 */
export const neededModalities = (
  tasks: readonly TrainedTask[],
  { image, vocabularySize }: NeededContext,
): Readonly<Record<string, object>> => {
  const shown = new Map<string, object[]>();
  const tokenizer = { size: vocabularySize, specials: { endoftext: vocabularySize - 1 } };
  for (const { family, settings } of tasks) {
    for (const { modality } of familySegments(family, settings))
      if (!shown.has(modality)) shown.set(modality, []);
    for (const { modality, input } of taskFamilyNamed(family).inputs?.(settings, { image, tokenizer }) ?? [])
      shown.get(modality)?.push(input);
  }
  return Object.fromEntries(
    [...shown].map(([name, inputs]) => [name, modalityNamed(name).settingsFor?.(inputs) ?? {}]),
  );
};
