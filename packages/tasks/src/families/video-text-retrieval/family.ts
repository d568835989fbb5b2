/** Video-text retrieval as a task family: image-text retrieval of clips, with its attributes (Uni-Perceiver-MoE, Table 2). */
import { defineTaskFamily } from '../family.ts';
import { segmentRows } from '../../signatures.ts';
import { clips } from '../../visual/clips.ts';
import { visualTextRetrieval } from '../image-text-retrieval/visual-text-retrieval.ts';
import { clipPredictor } from './predict.ts';

const name = 'video-text-retrieval';

export const videoTextRetrieval = defineTaskFamily({
  ...visualTextRetrieval(clips, name),
  name,
  summary: 'the caption of a clip among those of a batch, and the clip of a caption',
  segments: [
    { modality: 'visual', row: segmentRows.image },
    { modality: 'text', row: segmentRows.caption },
  ],
  predict: clipPredictor,
});
