/** Labels of clips: animated images, video files, folders of frames. */
import { ConfigError } from '@polygate/core';
import { imageSequences } from '@polygate/modalities';
import { nameCandidates } from '../../candidates.ts';
import { range } from '../../image-patches.ts';
import { softmaxRows, topIndices } from '../../scores.ts';
import { servedTask } from '../../serving.ts';
import { segmentRows } from '../../signatures.ts';
import type { LabelPrediction } from '../image-classification/predict.ts';
import { readClip } from '../../visual/read-clip.ts';
import { clips } from '../../visual/clips.ts';
import type { FilePredictor } from '../predictor.ts';

const FAMILY = 'video-classification';
const percent = (probability: number): string => `${(100 * probability).toFixed(1).padStart(5)} %`;

/** `predict classify-video`. */
export const videoPredictor: FilePredictor<LabelPrediction> = {
  verb: 'classify-video',
  summary: 'labels of clips, likeliest first: animated images, video files, folders of frames',
  input: 'files',
  argument: 'clip',
  options: [
    {
      name: 'labels',
      type: 'words',
      summary: "any labels, separated by commas; without them the model's own classes",
    },
  ],
  key: 'labels',
  async predict(model, path, options) {
    const served = servedTask(model, FAMILY, options);
    const task = served?.name ?? options.task;
    const labels = (options['labels'] as readonly string[] | undefined) ?? served?.classes;
    if (!labels || labels.length === 0 || new Set(labels).size !== labels.length) {
      throw new ConfigError(
        `classify-video: expected one label or more that differ, got ${labels?.join(', ') || 'none, and a model that does not say the names of its classes'}; give words to choose from`,
        { code: 'no-classes', fields: { task } },
      );
    }
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
    return topIndices(means, labels.length).map((c) => ({
      label: labels[c] ?? '',
      probability: means[c] ?? 0,
    }));
  },
  format: (answers) =>
    answers.map(({ label, probability }) => `${percent(probability)}  ${label}`).join('\n'),
};
