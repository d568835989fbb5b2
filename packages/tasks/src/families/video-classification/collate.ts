/**
 * Video classification: the prefix of a clip against the prefix of each class name. The patches of all frames are one
 * sequence, frame after frame (Uni-Perceiver-MoE, section 3.1); the temporal position of the first frame is drawn in
 * training. Training takes a view of the clip at a random start, evaluation one or several at fixed starts.
 *
 * B clips · T frames of a view
 */
import { rowRandom, ShapeError, type Random } from '@polygate/core';
import { clipOfRow } from '@polygate/datasets';
import {
  imageSequences,
  patchImages,
  resolveImageInput,
  type ImageInput,
  type ImagePatches,
} from '@polygate/modalities';
import type { RecordBatch } from '@polygate/stream';
import type { Augmentation } from '@polygate/tokens';
import { imageToText, segmentRows } from '../../signatures.ts';
import { defineTask, type Task, type TaskSettings } from '../../task.ts';
import { classLabels, createClassCandidates, type ClassSettings } from '../class-targets.ts';
import { lastStart, viewFrames, viewStart, type ViewSettings } from './clip-views.ts';

/** Of the frames of clips, on values from 0 to 1; images have others (published code). */
const CLIP_NORM = 0.5;

/** A clip: [S * H * W * C] uint8, frame after frame. */
export interface Clip {
  readonly pixels: Uint8Array;
  /** S */
  readonly frames: number;
}

/** The input of views of T frames, from that of a model's images. */
const clipInput = (image: ImageInput, { frames }: ViewSettings) => {
  const norm = Array.from({ length: image.channels ?? 3 }, () => CLIP_NORM);
  return resolveImageInput({ ...image, frames, mean: norm, std: norm });
};

export interface ClipPatchOptions {
  readonly view: ViewSettings;
  /** First frame of the view of clip `i` that can begin at 0 to `last`. */
  readonly start: (i: number, last: number) => number;
  readonly augmentation?: Augmentation | undefined;
  /** Stream of the changes of clip `i`; its frames are changed alike. */
  readonly rowRandom?: ((i: number) => Random) | undefined;
}

/** One view of each clip as patches. @throws ShapeError for frames of another size */
export const clipPatches = (
  clips: readonly Clip[],
  image: ImageInput,
  { view, start, augmentation, rowRandom }: ClipPatchOptions,
): ImagePatches => {
  const input = clipInput(image, view);
  const area = input.pixels / input.frames;
  const pixels = new Uint8Array(clips.length * input.pixels);
  clips.forEach((clip, i) => {
    if (clip.frames < 1 || clip.pixels.length !== clip.frames * area) {
      throw new ShapeError(
        `clips: expected ${input.height} x ${input.width} x ${input.channels} values for each of ${clip.frames} frames, got ${clip.pixels.length} in clip ${i}; use the image size that the data was prepared with`,
      );
    }
    const first = start(i, lastStart(clip.frames, view));
    viewFrames(clip.frames, first, view).forEach((frame, t) => {
      pixels.set(clip.pixels.subarray(frame * area, (frame + 1) * area), (i * view.frames + t) * area);
    });
  });
  const columns = {
    size: clips.length,
    has: () => false,
    fixed: () => pixels,
    list: (): never => {
      throw new ShapeError('clips: expected to be read as pixels alone');
    },
  };
  return patchImages(columns, input, { augmentation, rowRandom });
};

/** The clips of a batch of `labelled-video`. */
export const clipsOf = (batch: RecordBatch): readonly Clip[] =>
  Array.from({ length: batch.numRows }, (_, row) => clipOfRow(batch, row));

export interface VideoClassificationOptions extends TaskSettings, ClassSettings, ViewSettings {
  readonly image: ImageInput;
  /** Applied in training only, alike to all frames of a clip. @default none */
  readonly augmentation?: Augmentation | undefined;
  /** Which of how many views is taken outside training. @default the only one */
  readonly view?: { readonly index: number; readonly of: number };
}

/** A task over the columns of `labelled-video`. Label smoothing 0.1 unless told. @throws ConfigError */
export const createVideoClassification = (options: VideoClassificationOptions): Task => {
  const { name, lossWeight = 1, labelSmoothing = 0.1 } = options;
  const { image, augmentation, frames, stride, view = { index: 0, of: 1 } } = options;
  const choose = createClassCandidates(options);
  const facts = {
    name,
    family: 'video-classification',
    signature: imageToText,
    lossWeight,
    labelSmoothing,
  } as const;
  return defineTask(facts, (batch, collation) => {
    const labels = classLabels(batch, options);
    const { random, training } = collation;
    const patches = clipPatches(clipsOf(batch), image, {
      view: { frames, stride },
      start: (i, last) =>
        training ? rowRandom(random, i, 'frames').integer(last + 1) : viewStart(last, view.index, view.of),
      ...(training ? { augmentation, rowRandom: (i: number) => rowRandom(random, i, 'augmentation') } : {}),
    });
    const inputs = imageSequences(patches, segmentRows.image);
    return { inputs, queries: 'prefix', ...choose(labels, collation), loss: 'cross-entropy' };
  });
};
