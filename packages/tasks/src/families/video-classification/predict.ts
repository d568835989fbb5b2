/** Labels of clips: animated images, video files, folders of frames. */
import { ConfigError, FormatError, StateError } from '@polygate/core';
import { clipContent, decodeClip } from '@polygate/datasets';
import { imageSequences } from '@polygate/modalities';
import { nameCandidates } from '../../candidates.ts';
import type { TaskModel } from '../../model.ts';
import { softmaxRows, topIndices } from '../../scores.ts';
import { servedTask } from '../../serving.ts';
import { segmentRows } from '../../signatures.ts';
import type { LabelPrediction } from '../image-classification/predict.ts';
import type { FilePredictor, FileReading } from '../predictor.ts';
import { clipPatches, type Clip } from './collate.ts';
import { viewStart } from './clip-views.ts';
import { viewSettingsOf } from './settings.ts';

const FAMILY = 'video-classification';
/** Faults of a path, not of its content. */
const UNREADABLE: ReadonlySet<string> = new Set(['missing-file', 'unreadable-file']);
/** As prepare samples where its recipe says nothing. */
const PREPARED = { frames: 16, stride: 'auto' } as const;

/** The frames of a clip as the model's data were prepared. @throws StateError, FormatError */
const readClip = async (
  path: string,
  model: TaskModel,
  options: { readonly sampling: Parameters<typeof viewSettingsOf>[0]; readonly reading: FileReading },
): Promise<Clip> => {
  const { fit, background } = options.reading;
  const clip = await decodeClip(path, await clipContent(path), {
    size: model.image.height,
    ...(viewSettingsOf(options.sampling).sampling ?? PREPARED),
    ...(fit === undefined ? {} : { fit }),
    ...(background === undefined ? {} : { background }),
  });
  if (clip.kind === 'clip') return clip;
  const text = `clip ${path}: ${clip.reason}; give an animated GIF, WebP or PNG, a video file, or a folder of frames`;
  const details = { code: clip.code, fields: { path } };
  throw UNREADABLE.has(clip.code) ? new StateError(text, details) : new FormatError(text, details);
};

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
    const clip = await readClip(path, model, { sampling: served, reading: options.reading });
    const { frames, stride, views } = viewSettingsOf(served);
    const clips = Array.from({ length: views }, () => clip);
    const patches = clipPatches(clips, model.image, {
      view: { frames, stride },
      start: (view, last) => viewStart(last, view, views),
    });
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
      clips.reduce((sum, __, view) => sum + (probabilities[view * labels.length + c] ?? 0) / views, 0),
    );
    return topIndices(means, labels.length).map((c) => ({
      label: labels[c] ?? '',
      probability: means[c] ?? 0,
    }));
  },
  format: (answers) =>
    answers.map(({ label, probability }) => `${percent(probability)}  ${label}`).join('\n'),
};
