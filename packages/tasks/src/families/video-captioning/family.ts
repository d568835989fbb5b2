/** Video captioning as a task family: image captioning of clips, with its attributes (Uni-Perceiver-MoE, Table 2). */
import { defineTaskFamily } from '../family.ts';
import { segmentRows } from '../../signatures.ts';
import { clips } from '../../visual/clips.ts';
import { visualCaptioning } from '../image-captioning/visual-captioning.ts';
import { videoCaptionPredictor } from './predict.ts';

const name = 'video-captioning';

export const videoCaptioning = defineTaskFamily({
  ...visualCaptioning(clips, name),
  name,
  summary: 'the words of a caption of a clip, each from the clip and the words before it',
  segments: [
    { modality: 'visual', row: segmentRows.captionImage },
    { modality: 'text', row: segmentRows.captionText },
    { modality: 'text', row: segmentRows.vocabulary },
  ],
  predict: videoCaptionPredictor,
});
