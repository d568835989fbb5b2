/** Classification of images, or of clips: what the records of both share. */
import { mixesRows } from '@polygate/tokens';
import { LONGEST_NAME } from '../class-targets.ts';
import { imageToText } from '../../signatures.ts';
import type { VisualSettings, VisualSource } from '../../visual/visual-source.ts';
import { classChoice } from '../candidate-choice.ts';
import type { SettingFields, SettingsOf, TaskFamily } from '../family.ts';
import { MAJORITY_NOTE, NEAREST_NOTE } from '../report-notes.ts';
import { augmentation, candidates, maximumTokens } from '../settings.ts';
import { createVisualClassification } from './collate.ts';
import { classEvaluation } from './evaluate.ts';

const settings = { candidates, augmentation, maximumTokens };
type Own<Fields extends SettingFields> = SettingsOf<typeof settings> & VisualSettings<Fields>;

/** Settings of a task: of fields that are not known yet zod infers nothing. */
const ownOf = <Fields extends SettingFields>(given: object) => given as Own<Fields>;

/**
 * The fields of a classification by a source.
 * @param family name of the record
 * @param title behind the dataset's name in reports
 */
export const visualClassification = <Fields extends SettingFields>(
  source: VisualSource<Fields>,
  { family, title }: { readonly family: string; readonly title: string },
) =>
  ({
    kind: source.kinds.labelled,
    settings: { ...settings, ...source.settings },
    defaults: { labelSmoothing: 0.1 },
    // Clips and images have the same attributes (Uni-Perceiver-MoE, Table 2).
    signature: imageToText,
    create(name, given, context) {
      const familySettings = ownOf<Fields>(given);
      return createVisualClassification({
        name,
        family,
        read: source.reader({ ...familySettings, image: context.image }),
        isMixed: familySettings.augmentation !== undefined && mixesRows(familySettings.augmentation),
        classes: context.dataset.classes ?? [],
        tokenizer: context.tokenizer,
        lossWeight: familySettings.lossWeight,
        labelSmoothing: familySettings.labelSmoothing,
        maximumTokens: familySettings.maximumTokens,
        candidates: classChoice(familySettings, context),
      });
    },
    longestText: LONGEST_NAME,
    size(given, { patches, imageValues }) {
      const frames = source.frames(ownOf<Fields>(given));
      return { positions: 1 + frames * patches, values: frames * imageValues };
    },
    ...(source.kept ? { kept: (given, dataset) => source.kept?.(ownOf<Fields>(given), dataset) ?? {} } : {}),
    keepsClasses: true,
    tuning: { head: true },
    notes: [
      MAJORITY_NOTE,
      'pixelNearestNeighbour answers with the class of the nearest training image.',
      NEAREST_NOTE,
    ],
    evaluate: classEvaluation({ source, family, title }),
  }) satisfies Partial<TaskFamily<typeof settings & Fields>>;
