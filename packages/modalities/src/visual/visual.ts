/**
 * Images and clips: patches on a grid, frame after frame. A patch is projected linearly; to it come a fixed spatial
 * position and a learned temporal one.
 *
 * B batch · N patches · P values of a patch · D width
 */
import { embedding, hostTensor, linear } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import { drawn, rowRandoms, type Random } from '@polygate/core';
import { MODALITY_LIMITS } from '../limits.ts';
import type { CheckContext, EmbeddingContext, Modality, ReadOptions } from '../modality.ts';
import type { BatchColumns } from '../columns.ts';
import { linearSpecs, tableSpec } from '../parameter-specs.ts';
import { refuseSegment } from '../segment-checks.ts';
import type { SegmentRows } from '../segment.ts';
import { gridCoordinates } from '../raw-tokens.ts';
import type { StoredInput } from '@polygate/stream';
import type { InputContext } from '../input-context.ts';
import { check, checkFields, checkKeys, checkWhole } from '../setting-checks.ts';
import { patchImages, resolveImageInput, type VisualInput } from './image-input.ts';
import { spatialPositions } from './positions.ts';
import { visualSegment, type VisualSegment } from './visual-segment.ts';

/** Images and clips in an encoder. */
export interface VisualSettings {
  /** Side of a square patch in pixels and its channels. */
  readonly patch: { readonly size: number; readonly channels: number };
  /** Most frames of a clip. @default 8 */
  readonly maxFrames?: number;
  /**
   * Factor on the grid coordinates of patches; 160 / 224 carries an encoder trained at 160 pixels over to 224.
   * @default 1
   */
  readonly gridScale?: number;
}

/** What error texts call the settings. */
const PLACE = 'modalities.visual';

/** Settings with nothing left open. */
export type ResolvedVisualSettings = Required<VisualSettings>;

type Resolved = ResolvedVisualSettings;

const resolve = (given: unknown, width: number): Resolved => {
  check(width % 4 === 0, 'width', ['to be a multiple of 4, for the sin-cos positions', width]);
  const fields = { patch: 'object', maxFrames: 'number', gridScale: 'number' } as const;
  checkFields(given, PLACE, fields);
  const settings = given as VisualSettings;
  checkKeys(settings, PLACE, Object.keys(fields));
  const patchFields = { size: 'number', channels: 'number' } as const;
  checkFields(settings.patch, `${PLACE}.patch`, patchFields);
  checkKeys(settings.patch, `${PLACE}.patch`, Object.keys(patchFields));
  const resolved = { maxFrames: 8, gridScale: 1, ...settings };
  const { patch, maxFrames, gridScale } = resolved;
  checkWhole(`${PLACE}.patch.size`, patch.size, { most: MODALITY_LIMITS.patchSize });
  checkWhole(`${PLACE}.patch.channels`, patch.channels, { most: MODALITY_LIMITS.channels });
  checkWhole(`${PLACE}.maxFrames`, maxFrames, { most: MODALITY_LIMITS.maxFrames });
  check(gridScale > 0 && gridScale < Infinity, `${PLACE}.gridScale`, ['to be above 0', gridScale]);
  return Object.freeze(resolved);
};

/** P */
const patchValues = ({ patch: { size, channels } }: Resolved): number => size * size * channels;

const checkSegment = (
  { arrays: { patches, startFrames }, layout, length }: VisualSegment,
  { settings, size, label }: CheckContext<Resolved>,
): void => {
  const { grid, patchWidth, startFrame = 0 } = layout;
  const { patch, maxFrames } = settings;
  const values = patchValues(settings);
  if (patchWidth !== values) {
    refuseSegment(
      label,
      `patches of ${values} values (${patch.size} x ${patch.size} pixels, ${patch.channels} channels)`,
      String(patchWidth),
    );
  }
  const { rows, columns, frames } = grid;
  const count = rows * columns * frames;
  if (length !== count) {
    refuseSegment(label, `${count} patches (${rows} x ${columns} x ${frames})`, `${length}; correct grid`);
  }
  if (!(patches instanceof Float32Array) || patches.length !== size * count * values) {
    refuseSegment(
      label,
      `${size} x ${count} x ${values} values, a Float32Array`,
      `${patches?.length} of ${patches?.constructor.name}`,
    );
  }
  if (startFrames && startFrames.length !== size) {
    refuseSegment(label, `${size} first frames (startFrames)`, String(startFrames.length));
  }
  const outside = [...(startFrames ?? [startFrame])].find(
    (start) => !Number.isInteger(start) || start < 0 || start + frames > maxFrames,
  );
  if (outside !== undefined) {
    refuseSegment(
      label,
      `frames within the ${maxFrames} temporal positions`,
      `${frames} from position ${outside}; use fewer frames${outside > 0 ? ', or an earlier startFrame' : ', or a model with more (maxFrames)'}`,
    );
  }
};

/**
 * In training the first frame's temporal position is drawn, so that all of them learn: of each clip by its place in the
 * global batch. An image has no time, so that one position serves all images of a batch.
 */
const draw = (segment: VisualSegment, { maxFrames }: Resolved, random: Random): VisualSegment => {
  const { arrays, layout } = segment;
  const { frames } = layout.grid;
  if (layout.startFrame !== undefined || layout.drawnStarts || arrays.startFrames) return segment;
  const starts = Math.max(1, maxFrames - frames + 1);
  const size = arrays.patches.length / (segment.length * layout.patchWidth);
  const drawnStarts = drawn(random, (stream) =>
    frames === 1
      ? Int32Array.of(stream.integer(starts))
      : Int32Array.from(rowRandoms(stream, size, 'first frame'), (row) => row.integer(starts)),
  );
  return { ...segment, layout: { ...layout, drawnStarts } };
};

/** [B or 1, N, D] temporal positions of the patches: of the frames of all samples, or of each sample's own. */
const temporalPositions = (
  { arrays: { startFrames }, layout: { grid, startFrame = 0, drawnStarts } }: VisualSegment,
  { width, size, parameter }: EmbeddingContext<Resolved>,
): tf.Tensor4D => {
  const { frames } = grid;
  const count = drawnStarts && frames === 1 ? 1 : size;
  const table = parameter('embedding.frame') as tf.Tensor2D;
  const starts = drawnStarts ?? (startFrames && ((): Int32Array => startFrames));
  if (!starts) {
    // [frames, D] -> [1, frames, 1, D]
    return tf.reshape(tf.slice(table, [startFrame, 0], [frames, width]), [1, frames, 1, width]);
  }
  const ids = (): Int32Array => {
    const values = starts();
    return Int32Array.from(
      { length: count * frames },
      (_, i) => (values[Math.floor(i / frames)] ?? 0) + (i % frames),
    );
  };
  // [B * frames, D] -> [B, frames, 1, D]; one row for all images, which have a frame each
  return tf.reshape(embedding(table, hostTensor<tf.Rank.R1>(ids, [count * frames], 'int32')), [
    count,
    frames,
    1,
    width,
  ]);
};

/** [B, N, D] */
const embedOne = (segment: VisualSegment, context: EmbeddingContext<Resolved>): tf.Tensor3D => {
  const { settings, width, size, parameter, constant } = context;
  const {
    arrays: { patches },
    layout: { grid, patchWidth },
    length,
  } = segment;
  const projected = linear(
    hostTensor<tf.Rank.R3>(() => patches, [size, length, patchWidth]),
    parameter('embedding.patch.weight') as tf.Tensor2D,
    parameter('embedding.patch.bias') as tf.Tensor1D,
  ) as tf.Tensor3D;
  const { rows, columns } = grid;
  const spatial = constant(`visual ${rows}x${columns}`, () =>
    tf.tensor2d(spatialPositions(grid, width, settings.gridScale), [rows * columns, width], 'float32'),
  );
  // [B or 1, frames, 1, D] + [1, 1, rows * columns, D] -> [B or 1, N, D]
  const positions = temporalPositions(segment, context)
    .add(spatial.reshape([1, 1, rows * columns, width]))
    .reshape([-1, length, width]);
  return projected.add(positions);
};

const embed = (segments: readonly VisualSegment[], context: EmbeddingContext<Resolved>): tf.Tensor3D => {
  const parts = segments.map((segment) => embedOne(segment, context));
  const [only] = parts;
  return only && parts.length === 1 ? only : tf.concat(parts, 1);
};

const read = (
  columns: BatchColumns,
  input: VisualInput,
  { row, rowRandom }: ReadOptions,
): SegmentRows<VisualSegment> => ({
  segment: visualSegment(patchImages(columns, resolveImageInput(input), { ...input, rowRandom }), row),
});

/** Images and clips by patches. */
export const visual: Modality<Resolved, VisualInput, VisualSegment> = Object.freeze({
  name: 'visual',
  summary: 'patches of images and clips on a grid with frames',
  attribute: 'visual',

  columns: (input: VisualInput) => ({
    [input.column ?? 'image']: { fixedList: 'uint8' as const, size: resolveImageInput(input).pixels },
  }),
  read,
  tokens: (input: VisualInput) => resolveImageInput(input).patchCount,
  values: (input: VisualInput) => resolveImageInput(input).pixels,
  synthetic: (random: Random, input: VisualInput, rows: number) => ({
    [input.column ?? 'image']: Uint8Array.from({ length: rows * resolveImageInput(input).pixels }, () =>
      random.integer(256),
    ),
  }),

  input: (_: StoredInput, { name, image }: InputContext): VisualInput => ({ ...image, column: name }),
  rawShape: (input: VisualInput) => {
    const { patchWidth, frames } = resolveImageInput(input);
    return { width: patchWidth, axes: frames > 1 ? 3 : 2 };
  },
  rawTokens: ({ arrays: { patches }, layout: { grid, patchWidth } }: VisualSegment) => {
    const { frames, rows, columns } = grid;
    const sides = frames > 1 ? [frames, rows, columns] : [rows, columns];
    return { values: patches, width: patchWidth, axes: sides.length, coordinates: gridCoordinates(sides) };
  },

  resolve,
  topLevel: ['patch', 'maxFrames', 'gridScale'],
  parameters: (settings: Resolved, width: number) => [
    ...linearSpecs('embedding.patch', [width, patchValues(settings)]),
    tableSpec('embedding.frame', settings.maxFrames, width),
  ],
  partOf: () => 'visual embedding',
  operations: (settings: Resolved, width: number) => 2 * patchValues(settings) * width,
  transfer: {
    told: ['gridScale'],
    interpolated: { 'embedding.frame': 'frames' },
    mismatch: 'patches of another size or other channels in the start',
  },
  check: checkSegment,
  draw,
  embed,
} satisfies Modality<Resolved, VisualInput, VisualSegment>);
