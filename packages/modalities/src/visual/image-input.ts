/**
 * Images of a batch of rows as normalised patches: raw uint8 column -> optional augmentation -> patches. A batch that
 * already has patches (the patch stage ran before) is taken as it is.
 *
 * B rows · H, W, C image · N patches · P = patch * patch * C
 */
import { ConfigError, ShapeError, type Random } from '@polygate/core';
import { augmentBatch, patchifyBatch, type Augmentation } from '@polygate/tokens';
import type { BatchColumns } from '../columns.ts';
import type { ImagePatches } from './visual-segment.ts';

/** Per-channel mean and standard deviation of ImageNet, on values from 0 to 1. */
export const imageNetMean: readonly number[] = Object.freeze([0.485, 0.456, 0.406]);
export const imageNetStd: readonly number[] = Object.freeze([0.229, 0.224, 0.225]);

export interface ImageInput {
  /** Pixels; a multiple of `patch`. */
  readonly height: number;
  /** Pixels; a multiple of `patch`. */
  readonly width: number;
  /** @default 3 */
  readonly channels?: number;
  /** Frames of a clip, one after another in the row; 1 for an image. @default 1 */
  readonly frames?: number;
  /** Side of a patch in pixels. */
  readonly patch: number;
  /** @default ImageNet's, for three channels; 0.5 otherwise */
  readonly mean?: readonly number[];
  /** @default ImageNet's, for three channels; 0.5 otherwise */
  readonly std?: readonly number[];
}

/** An {@link ImageInput} with everything filled in and derived. */
export interface ResolvedImageInput extends Required<ImageInput> {
  /** Patches of all frames. */
  readonly patchCount: number;
  readonly patchWidth: number;
  /** Values of one image or clip. */
  readonly pixels: number;
}

/** @throws ConfigError when the sides are no multiple of the patch */
export const resolveImageInput = (input: ImageInput): ResolvedImageInput => {
  const { height, width, patch, channels = 3, frames = 1 } = input;
  const whole = [height, width, patch, channels, frames].every(
    (value) => Number.isInteger(value) && value > 0,
  );
  if (!whole || height % patch !== 0 || width % patch !== 0) {
    throw new ConfigError(
      `image input: expected height and width to be multiples of the patch, got ${height} x ${width} with patch ${patch}; choose a patch that divides both`,
    );
  }
  const half = Array.from({ length: channels }, () => 0.5);
  return {
    height,
    width,
    channels,
    frames,
    patch,
    mean: input.mean ?? (channels === 3 ? imageNetMean : half),
    std: input.std ?? (channels === 3 ? imageNetStd : half),
    patchCount: frames * (height / patch) * (width / patch),
    patchWidth: patch * patch * channels,
    pixels: frames * height * width * channels,
  };
};

/** How the patches of a batch are made. */
export interface ImagePatchOptions {
  /** Changes each image by its stream. @default none */
  readonly augmentation?: Augmentation | undefined;
  /** Stream of row `i`; nothing is changed without. */
  readonly rowRandom?: ((row: number) => Random) | undefined;
  /** Stream that the rows of a step share, by which an augmentation mixes them. @default rows are not mixed */
  readonly stepRandom?: Random | undefined;
  /** Column of raw pixels. @default 'image' */
  readonly column?: string | undefined;
  /** Column of ready patches, used when the batch has it. @default 'patches' */
  readonly patchColumn?: string | undefined;
}

/** What the images of a model look like, and how they are read. */
export interface VisualInput extends ImageInput, Omit<ImagePatchOptions, 'rowRandom' | 'stepRandom'> {}

/**
 * The patches of a batch of images, or of clips frame after frame.
 * @throws ShapeError when a row holds another number of pixels or patch values than `input` says
 */
export const patchImages = (
  columns: BatchColumns,
  input: ResolvedImageInput,
  options: ImagePatchOptions = {},
): ImagePatches => {
  const {
    column: image = 'image',
    patchColumn: patches = 'patches',
    augmentation,
    rowRandom,
    stepRandom,
  } = options;
  const { size } = columns;
  const shape = {
    size,
    patchCount: input.patchCount,
    patchWidth: input.patchWidth,
    grid: { rows: input.height / input.patch, columns: input.width / input.patch, frames: input.frames },
  };
  const ready = columns.has(patches);
  const width = ready ? input.patchCount * input.patchWidth : input.pixels;
  const values = columns.fixed(ready ? patches : image);
  if (values.length !== size * width) {
    throw new ShapeError(
      `image patches: expected ${width} values a row (${input.height} x ${input.width} x ${input.channels}) in column "${
        ready ? patches : image
      }", got ${values.length / Math.max(size, 1)}; use the image size that the data was prepared with`,
    );
  }
  if (ready) return { ...shape, patches: Float32Array.from(values) };
  if (!(values instanceof Uint8Array)) {
    throw new ShapeError(
      `image patches: expected bytes in column "${image}", got ${values.constructor.name}`,
    );
  }
  const count = size * input.frames;
  if (!augmentation || !rowRandom) return { ...shape, patches: patchifyBatch(values, { ...input, count }) };
  const { height, width: across, channels, frames } = input;
  const batch = { pixels: values, size, frames, height, width: across, channels };
  const { pixels, mixing } = augmentBatch(batch, { augmentation, rowRandom, stepRandom });
  return {
    ...shape,
    patches: patchifyBatch(pixels, { ...input, count }),
    ...(mixing ? { mixing } : {}),
  };
};
