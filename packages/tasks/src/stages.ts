/** Patching and tagging as stages of a stream, for pipelines that don't go through a task. */
import { createRandom } from '@polygate/core';
import {
  attributeRow,
  rowBits,
  rowKey,
  type AttributeSchema,
  type SegmentAttributes,
  type TaskSignature,
} from '@polygate/attributes';
import { resolveImageInput, type ImageInput } from '@polygate/modalities';
import { mapStage, textRow } from '@polygate/stream';
import type { Augmentation } from '@polygate/tokens';
import { imagePatches } from './images.ts';

/** A stage that computes its columns from each batch; see `mapStage` of the stream package. */
export type ColumnStage = ReturnType<typeof mapStage>;

export interface PatchStageOptions {
  /** Changes every image by a stream of its own, a pure function of seed and id; needs the column `id`. @default none */
  readonly augmentation?: Augmentation;
  /** @default 0 */
  readonly seed?: number;
  /** Column of raw uint8 pixels. @default 'image' */
  readonly image?: string;
  /** Column that is added. @default 'patches' */
  readonly patches?: string;
}

/**
 * Adds `patches`, fixedList float32 [N * P]: the image of each row, normalised and cut into patches. Tasks take a batch
 * that has them as it is. @throws ConfigError when the patch does not divide the image
 */
export const patchStage = (input: ImageInput, options: PatchStageOptions = {}): ColumnStage => {
  const { augmentation, seed = 0, image = 'image', patches = 'patches' } = options;
  const resolved = resolveImageInput(input);
  const random = createRandom(seed);
  return mapStage(
    {
      name: 'patch',
      needs: {
        [image]: { fixedList: 'uint8', size: resolved.pixels },
        ...(augmentation ? { id: 'utf8' as const } : {}),
      },
      adds: { [patches]: { fixedList: 'float32', size: resolved.patchCount * resolved.patchWidth } },
      metadata: { [`polygate.patch.${patches}`]: String(resolved.patch) },
      concurrency: 2,
    },
    (batch) => {
      const changed = augmentation
        ? { augmentation, rowRandom: (row: number) => random.fork(textRow(batch, 'id', row)) }
        : {};
      // A column of that name from before is what the stage replaces, not what it reads.
      return {
        [patches]: imagePatches(batch, resolved, { column: image, patchColumn: '', ...changed }).patches,
      };
    },
  );
};

export interface TagStageOptions {
  readonly signature: TaskSignature;
  readonly segment: SegmentAttributes;
  /** Bits of the column. @default the paper's eight */
  readonly schema?: AttributeSchema;
  /** Column that is added. @default 'attributes' */
  readonly column?: string;
}

/**
 * Adds the attribute bits of a segment of a task, fixedList uint8 [A], to every row; the schema's metadata names it too.
 * @throws ConfigError for a segment that the task does not have
 */
export const tagStage = (options: TagStageOptions): ColumnStage => {
  const { signature, segment, schema, column = 'attributes' } = options;
  const row = attributeRow(signature, segment);
  const bits = rowBits(row, schema);
  return mapStage(
    {
      name: 'tag',
      needs: [],
      adds: { [column]: { fixedList: 'uint8', size: bits.length } },
      metadata: { [`polygate.${column}`]: rowKey(row) },
    },
    (batch) => {
      const tags = new Uint8Array(batch.numRows * bits.length);
      for (let i = 0; i < batch.numRows; i += 1) tags.set(bits, i * bits.length);
      return { [column]: tags };
    },
  );
};
