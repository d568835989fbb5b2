/** Image captioning as a task family. */
import { defineTaskFamily } from '../family.ts';
import { segmentRows } from '../../signatures.ts';
import { images } from '../../visual/images.ts';
import { captionPredictor } from './predict.ts';
import { captionSheet } from './sheet.ts';
import { visualCaptioning } from './visual-captioning.ts';

const name = 'image-captioning';

export const imageCaptioning = defineTaskFamily({
  ...visualCaptioning(images, name),
  name,
  summary: 'the words of a caption, each from the image and the words before it',
  segments: [
    { modality: 'visual', row: segmentRows.captionImage, label: 'image to caption' },
    { modality: 'text', row: segmentRows.captionText, label: 'caption so far' },
    { modality: 'text', row: segmentRows.vocabulary, label: 'token' },
  ],
  sheet: captionSheet,
  predict: captionPredictor,
});
