/** Image classification as a task family. */
import { defineTaskFamily } from '../family.ts';
import { imageToText, segmentRows } from '../../signatures.ts';
import { classChoice } from '../candidate-choice.ts';
import { augmentation, candidates, maximumTokens } from '../settings.ts';
import { createImageClassification } from './collate.ts';
import { evaluateClassification } from './evaluate.ts';
import { classPredictor } from './predict.ts';

export const imageClassification = defineTaskFamily({
  name: 'image-classification',
  summary: 'the class of an image, among the names of the classes',
  kind: 'labelled-image',
  settings: { candidates, augmentation, maximumTokens },
  defaults: { labelSmoothing: 0.1 },
  signature: imageToText,
  segments: [
    { modality: 'visual', row: segmentRows.image, label: 'image' },
    { modality: 'text', row: segmentRows.name, label: 'name' },
  ],
  taskName: (dataset) => dataset,
  create: (name, settings, context) =>
    createImageClassification({
      name,
      classes: context.dataset.classes ?? [],
      tokenizer: context.tokenizer,
      image: context.image,
      lossWeight: settings.lossWeight,
      labelSmoothing: settings.labelSmoothing,
      maximumTokens: settings.maximumTokens,
      augmentation: settings.augmentation,
      candidates: classChoice(settings, context),
    }),
  size: (_, { patches, imageValues }) => ({ positions: 1 + patches, values: imageValues }),
  keepsClasses: true,
  tuning: { head: true },
  evaluate: evaluateClassification,
  predict: classPredictor,
});
