/** Captions of clips: animated images, video files, folders of frames. */
import { generationFlags } from '../../generation/generation-flags.ts';
import { servedTask } from '../../serving.ts';
import { clips } from '../../visual/clips.ts';
import { readClip } from '../../visual/read-clip.ts';
import {
  caption,
  captionFormat,
  type CaptionOptions,
  type CaptionPrediction,
} from '../image-captioning/predict.ts';
import type { FilePredictor } from '../predictor.ts';

const FAMILY = 'video-captioning';

/** `predict caption-video`. The views that the task is evaluated by are averaged. */
export const videoCaptionPredictor: FilePredictor<CaptionPrediction, CaptionOptions, 'caption-video'> = {
  verb: 'caption-video',
  summary: 'captions of clips, best first: animated images, video files, folders of frames',
  input: 'files',
  argument: 'clip',
  options: generationFlags,
  key: 'captions',
  async predict(model, path, { reading, ...options }) {
    const task = servedTask(model, FAMILY, options);
    const clip = await readClip(path, model, { task, reading });
    const shown = clips.shown(task);
    const views = Array.from({ length: shown.count }, (_, view) => shown.patches([clip], model.image, view));
    const [captions = []] = await caption(model, views, { ...options, family: FAMILY });
    return captions;
  },
  format: captionFormat,
};
