/** Video classification as a task family. */
import { defineTaskFamily } from '../family.ts';
import { segmentRows } from '../../signatures.ts';
import { clips } from '../../visual/clips.ts';
import { visualClassification } from '../image-classification/visual-classification.ts';
import { videoPredictor } from './predict.ts';

const name = 'video-classification';

export const videoClassification = defineTaskFamily({
  ...visualClassification(clips, { family: name, title: 'video classification' }),
  name,
  summary: 'the class of a clip, among the names of the classes',
  segments: [
    { modality: 'visual', row: segmentRows.image },
    { modality: 'text', row: segmentRows.name },
  ],
  taskName: (dataset) => dataset,
  predict: videoPredictor,
});
