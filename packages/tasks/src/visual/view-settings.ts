/** Settings of tasks of clips, beside those of images. */
import { z } from 'zod';
import type { TrainedTask } from '../model.ts';

/** Most frames of a view; the temporal positions of a model are fewer. */
const MAX_FRAMES = 256;

export const viewFields = {
  /** Frames of a view, at most the model's temporal positions (`maxFrames`, 8). */
  frames: z.number().int().min(1).max(MAX_FRAMES).default(4),
  /** Prepared frames from one that is taken to the next. */
  stride: z.number().int().min(1).max(MAX_FRAMES).default(1),
  /** Views of a clip whose probabilities are averaged in evaluation and prediction. */
  views: z.number().int().min(1).max(64).default(1),
};

/** How clips are sampled when they are prepared; predictions sample theirs alike. */
const samplingFields = {
  frames: z.number().int().min(1),
  stride: z.union([z.literal('auto'), z.number().int().min(1)]),
};

const kept = z.object({ ...viewFields, sampling: z.object(samplingFields).optional() });

/** What a model knows of its views; the defaults where it says nothing. */
export const viewSettingsOf = (task: TrainedTask | undefined): z.output<typeof kept> =>
  kept.parse(task?.settings ?? {});
