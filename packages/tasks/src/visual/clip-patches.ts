/**
 * Views of clips as patches: those of all frames are one sequence, frame after frame (Uni-Perceiver-MoE, section 3.1).
 *
 * B clips · T frames of a view · S frames of a clip
 */
import { ShapeError, type Random } from '@polygate/core';
import { clipOfRow } from '@polygate/datasets';
import { patchImages, resolveImageInput, type ImageInput, type ImagePatches } from '@polygate/modalities';
import type { RecordBatch } from '@polygate/stream';
import type { Augmentation } from '@polygate/tokens';
import { lastStart, viewFrames, type ViewSettings } from './clip-views.ts';

/** Of the frames of clips, on values from 0 to 1; images have others (published code). */
const CLIP_NORM = 0.5;

/** A clip, or an image as a clip of one frame: [S * H * W * C] uint8, frame after frame. */
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
  /** Stream by which clips are mixed with each other. @default they are not */
  readonly stepRandom?: Random | undefined;
}

/** One view of each clip as patches. @throws ShapeError for frames of another size */
export const clipPatches = (
  clips: readonly Clip[],
  image: ImageInput,
  { view, start, ...changes }: ClipPatchOptions,
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
  return patchImages(columns, input, changes);
};

/** The clips of a batch of rows of a kind of clips. */
export const clipsOf = (batch: RecordBatch): readonly Clip[] =>
  Array.from({ length: batch.numRows }, (_, row) => clipOfRow(batch, row));

/** The middle frame of a clip: what stands for it where images are compared by their pixels. */
export const middleFrame = ({ pixels, frames }: Clip): Uint8Array => {
  const area = pixels.length / frames;
  const middle = Math.floor(frames / 2);
  return pixels.subarray(middle * area, (middle + 1) * area);
};
