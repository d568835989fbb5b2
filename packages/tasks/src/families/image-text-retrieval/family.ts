/** Image-text retrieval as a task family. */
import { defineTaskFamily } from '../family.ts';
import { imageToText, segmentRows } from '../../signatures.ts';
import { augmentation, maximumTokens } from '../settings.ts';
import { createImageTextRetrieval } from './collate.ts';
import { evaluateRetrieval } from './evaluate.ts';
import { imagePredictor } from './predict.ts';

export const imageTextRetrieval = defineTaskFamily({
  name: 'image-text-retrieval',
  summary: 'the caption of an image among those of a batch, and the image of a caption',
  kind: 'captioned-image',
  settings: { augmentation, maximumTokens },
  defaults: { labelSmoothing: 0.1 },
  signature: imageToText,
  segments: [
    { modality: 'visual', row: segmentRows.image, label: 'image' },
    { modality: 'text', row: segmentRows.caption, label: 'caption' },
  ],
  tuning: { prompts: 'separate' },
  taskName: (dataset) => `${dataset}/retrieval`,
  create: (name, settings, context) =>
    createImageTextRetrieval({
      name,
      tokenizer: context.tokenizer,
      image: context.image,
      lossWeight: settings.lossWeight,
      labelSmoothing: settings.labelSmoothing,
      maximumTokens: settings.maximumTokens,
      augmentation: settings.augmentation,
    }),
  size: (settings, { patches, imageValues, textLength }) => ({
    positions: 2 + patches + (settings.maximumTokens ?? textLength),
    values: imageValues,
  }),
  evaluate: evaluateRetrieval,
  predict: imagePredictor,
});
