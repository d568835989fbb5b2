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
      const own = ownOf<Fields>(given);
      requireUnmixed(name, own.augmentation);
      return createVisualCaptioning({
        name,
        family,
        read: source.reader({ ...own, image: context.image }),
        tokenizer: context.tokenizer,
        lossWeight: own.lossWeight,
        labelSmoothing: own.labelSmoothing,
        maximumTokens: own.maximumTokens,
        vocabulary: context.vocabulary,
        candidates: vocabularyChoice(own, context),
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
      const own = ownOf<Fields>(given);
      const frames = source.frames(own);
      return {
        positions: 1 + frames * patches + 2 * (own.maximumTokens ?? textLength),
        values: frames * imageValues,
      };
    },
    kept(given, dataset) {
      const own = ownOf<Fields>(given);
      return {
        ...source.kept?.(own, dataset),
        ...(own.generation ? { generation: own.generation } : {}),
      };
    },
    notes: [
      `Captions: chance is a random caption of a random training image, "nearest ${source.still}" writes one of the nearest training image, "most frequent" the most frequent training caption.`,
      'BLEU-4, CIDEr-D and ROUGE-L take words as the captioning benchmarks do, token-F1 and exact match as SQuAD does, without articles.',
      NEAREST_NOTE,
    ],
    evaluate: captionEvaluation(source, family),
  }) satisfies Partial<TaskFamily<typeof settings & Fields>>;
