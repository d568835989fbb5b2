/** Text classification in cloze form as a task family. */
import { z } from 'zod';
import { defineTaskFamily } from '../family.ts';
import { segmentRows, textToText } from '../../signatures.ts';
import { maximumTokens } from '../settings.ts';
import { clozeFormOf, clozePresetNames } from './cloze-presets.ts';
import { MAJORITY_NOTE } from '../report-notes.ts';
import { CLOZE_TEMPERATURE, createTextClassification, DEFAULT_MAXIMUM_TOKENS } from './collate.ts';
import { evaluateTextClassification } from './evaluate.ts';
import { textPredictor } from './predict.ts';

export const textClassification = defineTaskFamily({
  name: 'text-classification',
  summary: 'the class of a text or of a pair, by the word that fills the blank of a pattern',
  kind: 'labelled-text',
  settings: {
    /** `{a}` and `{b}` are the texts, `___` the blank. @default one for single texts, and one for pairs */
    pattern: z.string().min(1).optional(),
    /** Cloze form of a published task: its pattern, words and scores. @default that of the data, where it says one */
    preset: z
      .string()
      .refine((name) => clozePresetNames().includes(name), {
        error: () => `expected one of ${clozePresetNames().join(', ')}`,
      })
      .optional(),
    /** Words for classes, by class name. @default those of the preset, else the class names */
    words: z.record(z.string(), z.string().min(1)).optional(),
    maximumTokens,
  },
  defaults: { labelSmoothing: 0.1 },
  signature: textToText,
  segments: [
    { modality: 'text', row: segmentRows.maskedText },
    { modality: 'text', row: segmentRows.vocabulary },
  ],
  temperature: CLOZE_TEMPERATURE,
  taskName: (dataset) => dataset,
  create: (name, settings, context) =>
    createTextClassification({
      name,
      classes: context.dataset.classes ?? [],
      tokenizer: context.tokenizer,
      lossWeight: settings.lossWeight,
      labelSmoothing: settings.labelSmoothing,
      ...clozeFormOf(settings, context.dataset),
      maximumTokens: settings.maximumTokens,
    }),
  kept: ({ maximumTokens: longest, ...settings }, dataset) => ({
    ...clozeFormOf(settings, dataset),
    ...(dataset.settings?.['pairs'] === true ? { texts: 2 } : {}),
    ...(longest === undefined ? {} : { maximumTokens: longest }),
  }),
  longestText: DEFAULT_MAXIMUM_TOKENS,
  keepsClasses: true,
  size: (settings, { textLength }) => ({ positions: 1 + (settings.maximumTokens ?? textLength), values: 0 }),
  notes: [MAJORITY_NOTE, 'naiveBayes answers by the tokens of the training texts.'],
  evaluate: evaluateTextClassification,
  predict: textPredictor,
});
