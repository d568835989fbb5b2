/** Texts that look for clips. */
import { clipPaths } from '@polygate/datasets';
import { servedTask } from '../../serving.ts';
import { clips } from '../../visual/clips.ts';
import { readClip } from '../../visual/read-clip.ts';
import { retrieve } from '../image-text-retrieval/predict.ts';
import type { GalleryPredictor } from '../predictor.ts';

const FAMILY = 'video-text-retrieval';

/** `predict retrieve-video`. The similarities of the views that the task is evaluated by are averaged. */
export const clipPredictor: GalleryPredictor<object, 'retrieve-video'> = {
  verb: 'retrieve-video',
  summary: 'clips of a folder that go best with a text: animated images, video files, folders of frames',
  input: 'gallery',
  key: 'clips',
  items: {
    item: 'clip',
    find: clipPaths,
    async read(model, path, { reading, ...options }) {
      const task = servedTask(model, FAMILY, options);
      return clips.shown(task).views(await readClip(path, model, { task, reading }), model.image);
    },
  },
  predict(model, { text, images }, options) {
    const views = clips.shown(servedTask(model, FAMILY, options)).count;
    return retrieve(model, { text, task: options.task, family: FAMILY, views }, images);
  },
};
