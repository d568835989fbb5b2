/** Images of record batches as patches. */
import { ConfigError, rowRandom, sharedRandom } from '@polygate/core';
import {
  patchImages,
  resolveImageInput,
  type BatchColumns,
  type ImageInput,
  type ImagePatches,
  type ImagePatchOptions,
  type ResolvedImageInput,
} from '@polygate/modalities';
import {
  fixedListValues,
  hasColumn,
  listRow,
  readDatasetMetadata,
  type RecordBatch,
  type Schema,
} from '@polygate/stream';
import type { Augmentation } from '@polygate/tokens';
import type { CollateOptions } from './task.ts';

/** The columns of a record batch as modalities read them. */
export const columnsOf = (batch: RecordBatch): BatchColumns => ({
  size: batch.numRows,
  has: (name) => hasColumn(batch, name),
  fixed: (name) => fixedListValues(batch, name),
  list: (name, row) => listRow(batch, name, row),
});

/** The image shape that a schema's metadata names, cut into patches. @throws ConfigError, FormatError */
export const imageInputOf = (schema: Schema, patch: number): ResolvedImageInput => {
  const { image, kind } = readDatasetMetadata(schema);
  if (!image) {
    throw new ConfigError(
      `image input: expected rows with images, got rows of kind "${kind}" whose metadata names no image size`,
    );
  }
  return resolveImageInput({ ...image, patch });
};

/** The patches of a batch's images. @throws ShapeError as `patchImages` of @polygate/modalities */
export const imagePatches = (
  batch: RecordBatch,
  input: ResolvedImageInput,
  options: ImagePatchOptions = {},
): ImagePatches => patchImages(columnsOf(batch), input, options);

/** Settings of every task that shows images. */
export interface ImageSettings {
  readonly image: ImageInput;
  /** Applied in training only. @default none */
  readonly augmentation?: Augmentation | undefined;
}

/** How a task reads its images: in training each row is changed by a stream of its own. @throws ConfigError */
export const createImageReader = (
  settings: ImageSettings,
): ((batch: RecordBatch, options: CollateOptions) => ImagePatches) => {
  const { augmentation } = settings;
  const image = resolveImageInput(settings.image);
  return (batch, { random, training }) => {
    if (!training || !augmentation) return imagePatches(batch, image);
    return imagePatches(batch, image, {
      augmentation,
      rowRandom: (row) => rowRandom(random, row, 'augmentation'),
      stepRandom: sharedRandom(random).fork('augmentation'),
    });
  };
};
