/** Video classification as a task family. */
import { classChoice } from '../candidate-choice.ts';
import { defineTaskFamily } from '../family.ts';
import { augmentation, candidates, maximumTokens } from '../settings.ts';
import { imageToText, segmentRows } from '../../signatures.ts';
import { createVideoClassification } from './collate.ts';
import { evaluateVideoClassification } from './evaluate.ts';
import { videoPredictor } from './predict.ts';
import { viewFields } from './settings.ts';

export const videoClassification = defineTaskFamily({
  name: 'video-classification',
  summary: 'the class of a clip, among the names of the classes',
  kind: 'labelled-video',
  settings: { candidates, augmentation, maximumTokens, ...viewFields },
  defaults: { labelSmoothing: 0.1 },
  // Clips and images have the same attributes (Uni-Perceiver-MoE, Table 2).
  signature: imageToText,
  segments: [
    { modality: 'visual', row: segmentRows.image },
    { modality: 'text', row: segmentRows.name },
  ],
  taskName: (dataset) => dataset,
  create: (name, settings, context) =>
    createVideoClassification({
      name,
      classes: context.dataset.classes ?? [],
      tokenizer: context.tokenizer,
      image: context.image,
      lossWeight: settings.lossWeight,
      labelSmoothing: settings.labelSmoothing,
      maximumTokens: settings.maximumTokens,
      augmentation: settings.augmentation,
      frames: settings.frames,
      stride: settings.stride,
      candidates: classChoice(settings, context),
    }),
  size: ({ frames }, { patches, imageValues }) => ({
    positions: 1 + frames * patches,
    values: frames * imageValues,
  }),
  kept: ({ frames, stride, views }, dataset) => ({
    frames,
    stride,
    views,
    ...(dataset.settings ? { sampling: dataset.settings } : {}),
  }),
  keepsClasses: true,
  tuning: { head: true },
  evaluate: evaluateVideoClassification,
  predict: videoPredictor,
});
