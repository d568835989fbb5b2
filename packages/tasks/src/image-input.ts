/**
 * Pictures of a record batch as normalised patches: raw uint8 column -> optional augmentation -> patches. A batch that
 * already has patches (the patch stage ran before) is taken as it is.
 *
 * B rows · H, W, C picture · N patches · P = patch * patch * C
 */
import { ConfigError, ShapeError, type Random } from '@polygate/core';
import {
  fixedListValues,
  hasColumn,
  readDatasetMetadata,
  type RecordBatch,
  type Schema,
} from '@polygate/stream';
import { augmentPixels, checkAugmentation, patchifyBatch, type Augmentation } from '@polygate/tokens';
import type { ImagePatches } from './sequence.ts';
import type { CollateOptions } from './task.ts';

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
  /** Side of a patch in pixels. */
  readonly patch: number;
  /** @default ImageNet's, for three channels; 0.5 otherwise */
  readonly mean?: readonly number[];
  /** @default ImageNet's, for three channels; 0.5 otherwise */
  readonly std?: readonly number[];
}

/** An {@link ImageInput} with everything filled in and derived. */
export interface ResolvedImageInput extends Required<ImageInput> {
  readonly patchCount: number;
  readonly patchWidth: number;
  /** Values of one picture. */
  readonly pixels: number;
}

/** @throws ConfigError when the sides are no multiple of the patch */
export const resolveImageInput = (input: ImageInput): ResolvedImageInput => {
  const { height, width, patch, channels = 3 } = input;
  const whole = [height, width, patch, channels].every((value) => Number.isInteger(value) && value > 0);
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
    patch,
    mean: input.mean ?? (channels === 3 ? imageNetMean : half),
    std: input.std ?? (channels === 3 ? imageNetStd : half),
    patchCount: (height / patch) * (width / patch),
    patchWidth: patch * patch * channels,
    pixels: height * width * channels,
  };
};

/** The picture shape that a schema's metadata names, cut into patches. @throws ConfigError, FormatError */
export const imageInputOf = (schema: Schema, patch: number): ResolvedImageInput => {
  const { image, kind } = readDatasetMetadata(schema);
  if (!image) {
    throw new ConfigError(
      `image input: expected rows with pictures, got rows of kind "${kind}" whose metadata names no image size`,
    );
  }
  return resolveImageInput({ ...image, patch });
};

export interface ImagePatchOptions {
  readonly augmentation?: Augmentation;
  /** Stream of row `i`; needed with `augmentation`. */
  readonly rowRandom?: (row: number) => Random;
  /** Column of raw pixels. @default 'image' */
  readonly image?: string;
  /** Column of ready patches, used when the batch has it. @default 'patches' */
  readonly patches?: string;
}

/** @throws ShapeError when a row holds another number of pixels or patch values than `input` says */
export const imagePatches = (
  batch: RecordBatch,
  input: ResolvedImageInput,
  options: ImagePatchOptions = {},
): ImagePatches => {
  const { image = 'image', patches = 'patches', augmentation, rowRandom } = options;
  const size = batch.numRows;
  const shape = {
    size,
    patchCount: input.patchCount,
    patchWidth: input.patchWidth,
    grid: { rows: input.height / input.patch, columns: input.width / input.patch, frames: 1 },
  };
  const ready = hasColumn(batch, patches);
  const width = ready ? input.patchCount * input.patchWidth : input.pixels;
  const values = fixedListValues(batch, ready ? patches : image);
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
  let pixels: Uint8Array = values;
  if (augmentation && rowRandom) {
    checkAugmentation(augmentation);
    pixels = new Uint8Array(values.length);
    for (let i = 0; i < size; i += 1) {
      const raw = values.subarray(i * width, (i + 1) * width);
      pixels.set(augmentPixels(raw, input, { ...augmentation, random: rowRandom(i) }), i * width);
    }
  }
  return { ...shape, patches: patchifyBatch(pixels, { ...input, count: size }) };
};

/** Settings of every task that shows pictures. */
export interface PictureSettings {
  readonly image: ImageInput;
  /** Applied in training only. @default none */
  readonly augmentation?: Augmentation;
}

/** How a task reads its pictures: in training each row is changed by a stream of its own. @throws ConfigError */
export const createPictureReader = (
  settings: PictureSettings,
): ((batch: RecordBatch, options: CollateOptions) => ImagePatches) => {
  const { augmentation } = settings;
  const image = resolveImageInput(settings.image);
  return (batch, { random, training }) => {
    if (!training || !augmentation) return imagePatches(batch, image);
    const own = random.fork('augmentation');
    return imagePatches(batch, image, { augmentation, rowRandom: (row) => own.fork(row) });
  };
};
