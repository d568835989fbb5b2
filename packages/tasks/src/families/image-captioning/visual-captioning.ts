/** Captioning of images, or of clips: what the records of both share. */
import { LONGEST_CAPTION } from '../captions.ts';
import { nestedListRow } from '@polygate/stream';
import { imageAndTextToText } from '../../signatures.ts';
import type { VisualSettings, VisualSource } from '../../visual/visual-source.ts';
import { samplesVocabulary, vocabularyChoice } from '../candidate-choice.ts';
import type { SettingFields, SettingsOf, TaskFamily } from '../family.ts';
import { NEAREST_NOTE } from '../report-notes.ts';
import { augmentation, candidates, generation, maximumTokens, requireUnmixed } from '../settings.ts';
import { CAPTION_TEMPERATURE, createVisualCaptioning } from './collate.ts';
import { captionEvaluation } from './evaluate.ts';

const settings = { candidates, augmentation, maximumTokens, generation };
type Own<Fields extends SettingFields> = SettingsOf<typeof settings> & VisualSettings<Fields>;

/** Settings of a task: of fields that are not known yet zod infers nothing. */
const ownOf = <Fields extends SettingFields>(given: object) => given as Own<Fields>;

/**
 * The fields of a captioning by a source.
 * @param family name of the record
 */
export const visualCaptioning = <Fields extends SettingFields>(
  source: VisualSource<Fields>,
  family: string,
) =>
  ({
    kind: source.kinds.captioned,
    settings: { ...settings, ...source.settings },
    defaults: { labelSmoothing: 0 },
    signature: imageAndTextToText,
    temperature: CAPTION_TEMPERATURE,
    taskName: (dataset: string) => `${dataset}/captioning`,
    create(name, given, context) {
      const familySettings = ownOf<Fields>(given);
      requireUnmixed(name, familySettings.augmentation);
      return createVisualCaptioning({
        name,
        family,
        read: source.reader({ ...familySettings, image: context.image }),
        tokenizer: context.tokenizer,
        lossWeight: familySettings.lossWeight,
        labelSmoothing: familySettings.labelSmoothing,
        maximumTokens: familySettings.maximumTokens,
        vocabulary: context.vocabulary,
        candidates: vocabularyChoice(familySettings, context),
      });
    },
    labelCounts: {
      needed: (given, tokenizer) => samplesVocabulary(given as SettingsOf<typeof settings>, tokenizer),
      *labels(batch, { specials }) {
        for (let row = 0; row < batch.numRows; row += 1) {
          for (const caption of nestedListRow(batch, 'captions', row)) {
            yield* caption;
            yield specials.endoftext;
          }
        }
      },
    },
    longestText: LONGEST_CAPTION,
    size(given, { patches, imageValues, textLength }) {
      const familySettings = ownOf<Fields>(given);
      const frames = source.frames(familySettings);
      return {
        positions: 1 + frames * patches + 2 * (familySettings.maximumTokens ?? textLength),
        values: frames * imageValues,
      };
    },
    kept(given, dataset) {
      const familySettings = ownOf<Fields>(given);
      return {
        ...source.kept?.(familySettings, dataset),
        ...(familySettings.generation ? { generation: familySettings.generation } : {}),
      };
    },
    notes: [
      `Captions: chance is a random caption of a random training image, "nearest ${source.still}" writes one of the nearest training image, "most frequent" the most frequent training caption.`,
      'BLEU-4, CIDEr-D and ROUGE-L take words as the captioning benchmarks do, token-F1 and exact match as SQuAD does, without articles.',
      NEAREST_NOTE,
    ],
    evaluate: captionEvaluation(source, family),
  }) satisfies Partial<TaskFamily<typeof settings & Fields>>;
