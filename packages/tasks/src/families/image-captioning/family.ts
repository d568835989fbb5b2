/** Image captioning as a task family. */
import { nestedListRow } from '@polygate/stream';
import { defineTaskFamily } from '../family.ts';
import { imageAndTextToText, segmentRows } from '../../signatures.ts';
import { samplesVocabulary, vocabularyChoice } from '../candidate-choice.ts';
import { augmentation, candidates, maximumTokens } from '../settings.ts';
import { createImageCaptioning } from './collate.ts';
import { evaluateCaptioning } from './evaluate.ts';
import { captionPredictor } from './predict.ts';

export const imageCaptioning = defineTaskFamily({
  name: 'image-captioning',
  summary: 'the words of a caption, each from the image and the words before it',
  kind: 'captioned-image',
  settings: { candidates, augmentation, maximumTokens },
  defaults: { labelSmoothing: 0 },
  signature: imageAndTextToText,
  segments: [
    { modality: 'visual', row: segmentRows.captionImage, label: 'image to caption' },
    { modality: 'text', row: segmentRows.captionText, label: 'words so far' },
    { modality: 'text', row: segmentRows.vocabulary, label: 'word' },
  ],
  taskName: (dataset) => `${dataset}/captioning`,
  create: (name, settings, context) =>
    createImageCaptioning({
      name,
      tokenizer: context.tokenizer,
      image: context.image,
      lossWeight: settings.lossWeight,
      labelSmoothing: settings.labelSmoothing,
      maximumTokens: settings.maximumTokens,
      augmentation: settings.augmentation,
      vocabulary: context.vocabulary,
      candidates: vocabularyChoice(settings, context),
    }),
  labelCounts: {
    needed: samplesVocabulary,
    *labels(batch, { specials }) {
      for (let row = 0; row < batch.numRows; row += 1) {
        for (const caption of nestedListRow(batch, 'captions', row)) {
          yield* caption;
          yield specials.endoftext;
        }
      }
    },
  },
  size: (settings, { patches, imageValues, textLength }) => ({
    positions: 1 + patches + 2 * (settings.maximumTokens ?? textLength),
    values: imageValues,
  }),
  evaluate: evaluateCaptioning,
  predict: captionPredictor,
});
