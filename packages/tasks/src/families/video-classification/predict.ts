/** Labels of clips: animated images, video files, folders of frames. */
import { imageSequences } from '@polygate/modalities';
import { nameCandidates } from '../../candidates.ts';
import { range } from '../../image-patches.ts';
import { softmaxRows } from '../../scores.ts';
import { segmentRows } from '../../signatures.ts';
import { readClip } from '../../visual/read-clip.ts';
import { clips } from '../../visual/clips.ts';
import {
  chosenLabels,
  formatLabels,
  labelsOption,
  rankedLabels,
  type LabelChoice,
  type LabelPrediction,
} from '../label-answers.ts';
import type { FilePredictor } from '../predictor.ts';

const FAMILY = 'video-classification';
const VERB = 'classify-video';

/** `predict classify-video`. */
export const videoPredictor: FilePredictor<LabelPrediction, LabelChoice, typeof VERB> = {
  verb: VERB,
  summary: 'labels of clips, likeliest first: animated images, video files, folders of frames',
  input: 'files',
  argument: 'clip',
  options: [labelsOption],
  key: 'labels',
  async predict(model, path, options) {
    const { labels, served, task } = chosenLabels(model, options, { verb: VERB, family: FAMILY });
    const set = nameCandidates('labels', labels, {
      tokenizer: model.tokenizer,
      row: segmentRows.name,
      maximum: model.maximumTokens,
    });
    const clip = await readClip(path, model, { task: served, reading: options.reading });
    const patches = clips.shown(served).views(clip, model.image);
    const scores = await model.scores(
      {
        inputs: imageSequences(patches, segmentRows.image),
        queries: 'prefix',
        targets: set.whole(),
        temperature: FAMILY,
      },
      { task },
    );
    const probabilities = softmaxRows(scores, labels.length);
    const means = labels.map((_, c) =>
      range(0, patches.size).reduce(
        (sum, view) => sum + (probabilities[view * labels.length + c] ?? 0) / patches.size,
        0,
      ),
    );
    return rankedLabels(labels, means);
  },
  format: formatLabels,
};
