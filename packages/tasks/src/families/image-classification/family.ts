/** Image classification as a task family. */
import { defineTaskFamily } from '../family.ts';
import { segmentRows } from '../../signatures.ts';
import { images } from '../../visual/images.ts';
import { classPredictor } from './predict.ts';
import { classSheet } from './sheet.ts';
import { visualClassification } from './visual-classification.ts';

const name = 'image-classification';

export const imageClassification = defineTaskFamily({
  ...visualClassification(images, { family: name, title: 'classification' }),
  name,
  summary: 'the class of an image, among the names of the classes',
  segments: [
    { modality: 'visual', row: segmentRows.image, label: 'image' },
    { modality: 'text', row: segmentRows.name, label: 'name' },
  ],
  taskName: (dataset) => dataset,
  sheet: classSheet,
  predict: classPredictor,
});
