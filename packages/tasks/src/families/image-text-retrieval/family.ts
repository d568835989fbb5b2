/** Image-text retrieval as a task family. */
import { defineTaskFamily } from '../family.ts';
import { segmentRows } from '../../signatures.ts';
import { images } from '../../visual/images.ts';
import { imagePredictor } from './predict.ts';
import { retrievalSheet } from './sheet.ts';
import { visualTextRetrieval } from './visual-text-retrieval.ts';

const name = 'image-text-retrieval';

export const imageTextRetrieval = defineTaskFamily({
  ...visualTextRetrieval(images, name),
  name,
  summary: 'the caption of an image among those of a batch, and the image of a caption',
  segments: [
    { modality: 'visual', row: segmentRows.image, label: 'image' },
    { modality: 'text', row: segmentRows.caption, label: 'caption' },
  ],
  sheet: retrievalSheet,
  predict: imagePredictor,
});
