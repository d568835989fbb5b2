/** Masked language modelling as a task family. */
import { listRow } from '@polygate/stream';
import { defineTaskFamily } from '../family.ts';
import { segmentRows, textToText } from '../../signatures.ts';
import { samplesVocabulary, vocabularyChoice } from '../candidate-choice.ts';
import { candidates, maximumTokens, share } from '../settings.ts';
import { createMaskedLanguageModelling } from './collate.ts';
import { evaluateLanguage } from './evaluate.ts';
import { blankPredictor } from './predict.ts';

export const maskedLanguageModelling = defineTaskFamily({
  name: 'masked-language-modelling',
  summary: 'the masked tokens of a text, among the tokens of the vocabulary',
  kind: 'text',
  settings: {
    candidates,
    maximumTokens,
    /** Share of words that are masked, whole. */
    maskRate: share.default(0.15),
  },
  defaults: { labelSmoothing: 0 },
  signature: textToText,
  segments: [
    { modality: 'text', row: segmentRows.maskedText, label: 'masked text' },
    { modality: 'text', row: segmentRows.vocabulary, label: 'token' },
  ],
  taskName: (dataset) => dataset,
  create: (name, settings, context) =>
    createMaskedLanguageModelling({
      name,
      tokenizer: context.tokenizer,
      lossWeight: settings.lossWeight,
      labelSmoothing: settings.labelSmoothing,
      maximumTokens: settings.maximumTokens,
      rate: settings.maskRate,
      vocabulary: context.vocabulary,
      candidates: vocabularyChoice(settings, context),
    }),
  labelCounts: {
    needed: samplesVocabulary,
    *labels(batch, { specials }) {
      for (let row = 0; row < batch.numRows; row += 1) {
        for (const id of listRow(batch, 'tokens', row)) if (id !== specials.endoftext) yield id;
      }
    },
  },
  size: (settings, { textLength }) => ({ positions: 1 + (settings.maximumTokens ?? textLength), values: 0 }),
  kept: ({ maximumTokens: longest }) => (longest === undefined ? {} : { maximumTokens: longest }),
  notes: ['Masked words: unigram answers by the frequency of words in the training text.'],
  evaluate: evaluateLanguage,
  predict: blankPredictor,
});
