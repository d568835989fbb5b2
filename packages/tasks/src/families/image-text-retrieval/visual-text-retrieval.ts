/** Retrieval of images, or of clips, and texts: what the records of both share. */
import { LONGEST_CAPTION } from '../captions.ts';
import { imageToText } from '../../signatures.ts';
import type { VisualSettings, VisualSource } from '../../visual/visual-source.ts';
import type { SettingFields, SettingsOf, TaskFamily } from '../family.ts';
import { NEAREST_NOTE } from '../report-notes.ts';
import { augmentation, maximumTokens, requireUnmixed } from '../settings.ts';
import { createVisualTextRetrieval, RETRIEVAL_TEMPERATURE } from './collate.ts';
import { retrievalEvaluation } from './evaluate.ts';

const settings = { augmentation, maximumTokens };
type Own<Fields extends SettingFields> = SettingsOf<typeof settings> & VisualSettings<Fields>;

/** Settings of a task: of fields that are not known yet zod infers nothing. */
const ownOf = <Fields extends SettingFields>(given: object) => given as Own<Fields>;

/**
 * The fields of a retrieval by a source.
 * @param family name of the record
 */
export const visualTextRetrieval = <Fields extends SettingFields>(
  source: VisualSource<Fields>,
  family: string,
) =>
  ({
    kind: source.kinds.captioned,
    settings: { ...settings, ...source.settings },
    defaults: { labelSmoothing: 0.1 },
    signature: imageToText,
    tuning: { prompts: 'separate' },
    temperature: RETRIEVAL_TEMPERATURE,
    taskName: (dataset: string) => `${dataset}/retrieval`,
    create(name, given, context) {
      const familySettings = ownOf<Fields>(given);
      requireUnmixed(name, familySettings.augmentation);
      return createVisualTextRetrieval({
        name,
        family,
        read: source.reader({ ...familySettings, image: context.image }),
        tokenizer: context.tokenizer,
        lossWeight: familySettings.lossWeight,
        labelSmoothing: familySettings.labelSmoothing,
        maximumTokens: familySettings.maximumTokens,
      });
    },
    longestText: LONGEST_CAPTION,
    size(given, { patches, imageValues, textLength }) {
      const familySettings = ownOf<Fields>(given);
      const frames = source.frames(familySettings);
      return {
        positions: 2 + frames * patches + (familySettings.maximumTokens ?? textLength),
        values: frames * imageValues,
      };
    },
    ...(source.kept ? { kept: (given, dataset) => source.kept?.(ownOf<Fields>(given), dataset) ?? {} } : {}),
    notes: [
      'Retrieval: recall is over all captions of all images: one of an image’s own captions among the first k texts, or its image for each caption; chance is a random order of the gallery.',
      `"nearest ${source.still}" ranks by the words that a text shares with the captions of the nearest training image.`,
      NEAREST_NOTE,
    ],
    evaluate: retrievalEvaluation(source, family),
  }) satisfies Partial<TaskFamily<typeof settings & Fields>>;
