/** Clips of files for predictions, as the data of a model were prepared. */
import { FormatError, StateError } from '@polygate/core';
import { clipContent, decodeClip } from '@polygate/datasets';
import type { FileReading } from '../families/predictor.ts';
import type { TaskModel, TrainedTask } from '../model.ts';
import type { Clip } from './clip-patches.ts';
import { viewSettingsOf } from './view-settings.ts';

/** Faults of a path, not of its content. */
const UNREADABLE: ReadonlySet<string> = new Set(['missing-file', 'unreadable-file']);
/** As prepare samples where its recipe says nothing. */
const PREPARED = { frames: 16, stride: 'auto' } as const;

/**
 * The frames of a clip as the model's data were prepared.
 * @param options.task that says how its clips were sampled
 * @throws StateError for a path that can't be read, FormatError for one that is no clip, ConfigError without ffmpeg
 */
export const readClip = async (
  path: string,
  model: TaskModel,
  options: { readonly task: TrainedTask | undefined; readonly reading: FileReading },
): Promise<Clip> => {
  const { fit, background } = options.reading;
  const clip = await decodeClip(path, await clipContent(path), {
    size: model.image.height,
    ...(viewSettingsOf(options.task).sampling ?? PREPARED),
    ...(fit === undefined ? {} : { fit }),
    ...(background === undefined ? {} : { background }),
  });
  if (clip.kind === 'clip') return clip;
  const text = `clip ${path}: ${clip.reason}; give an animated GIF, WebP or PNG, a video file, or a folder of frames`;
  const details = { code: clip.code, fields: { path } };
  throw UNREADABLE.has(clip.code) ? new StateError(text, details) : new FormatError(text, details);
};
