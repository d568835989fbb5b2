/**
 * What the encoder reads: segments of text and patches, and how they lie in the sequence behind the prefix token.
 *
 * B batch · L tokens of a segment · N patches · P values of a patch · T = 1 + all segment lengths
 */
import { rowKey, type AttributeRow } from '@polygate/attributes';
import { ShapeError } from '@polygate/core';
import type { SegmentSpan } from '@polygate/tensor';
import type * as tf from '@tensorflow/tfjs';
import type { ResolvedEncoderConfig } from './config.ts';
import type { PatchGrid } from './positions.ts';

/** A run of text tokens. Tensors are borrowed. */
export interface TextSegment {
  readonly kind: 'text';
  /** [B, L] int32, each below the vocabulary size. */
  readonly ids: tf.Tensor2D;
  /** Attributes of these tokens. */
  readonly row: AttributeRow;
  /** [L] int32, each below `maxPositions`, shared by the batch. @default 0 to L - 1 */
  readonly positions?: tf.Tensor1D;
}

/** The patches of one picture or clip. Tensors are borrowed. */
export interface VisualSegment {
  readonly kind: 'visual';
  /** [B, N, P] float32, normalised; frame after frame, rows from the top, P in the order (y, x, channel). */
  readonly patches: tf.Tensor3D;
  /** rows * columns * frames = N. */
  readonly grid: PatchGrid;
  readonly row: AttributeRow;
  /**
   * Temporal position of the first frame. In training the published code draws it from 0 to `maxFrames - frames`, for
   * pictures too; the caller does the drawing. @default 0
   */
  readonly startFrame?: number;
}

/** A batch of sequences of equal layout. */
export interface SequenceInput {
  /** At least one; the prefix token has the first one's attributes. */
  readonly segments: readonly (TextSegment | VisualSegment)[];
  /**
   * Added to the attention scores, [B or 1, 1, T or 1, T] float32, the prefix at position 0 included: 0 to attend, a
   * large negative number such as -1e4 not to. Borrowed. @default all attend to all
   */
  readonly mask?: tf.Tensor4D;
}

/** Where everything is. */
export interface SequenceLayout {
  readonly batch: number;
  /** T */
  readonly length: number;
  /** Distinct attribute rows in order of appearance. */
  readonly rows: readonly AttributeRow[];
  /** Runs of equal rows that cover the T tokens; `row` indexes `rows`. */
  readonly spans: readonly SegmentSpan[];
}

const refuse = (expected: string, got: string, fields: Readonly<Record<string, unknown>> = {}): never => {
  throw new ShapeError(`encode: expected ${expected}, got ${got}`, { fields });
};

const text = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

const checkText = (at: number, { ids, positions }: TextSegment, config: ResolvedEncoderConfig): number => {
  const name = `segment ${at} (text)`;
  if (ids.rank !== 2 || ids.dtype !== 'int32') {
    refuse(`${name}: ids of shape [batch, length] and dtype int32`, `${text(ids.shape)} of ${ids.dtype}`);
  }
  const [, length] = ids.shape;
  if (positions && (positions.rank !== 1 || positions.dtype !== 'int32' || positions.shape[0] !== length)) {
    refuse(
      `${name}: positions of shape [${length}] and dtype int32`,
      `${text(positions.shape)} of ${positions.dtype}`,
    );
  }
  if (!positions && length > config.maxPositions) {
    refuse(
      `${name}: at most ${config.maxPositions} tokens`,
      `${length}; cut the text or raise maxPositions before training`,
      { length, maxPositions: config.maxPositions },
    );
  }
  return length;
};

const checkVisual = (at: number, segment: VisualSegment, config: ResolvedEncoderConfig): number => {
  const name = `segment ${at} (visual)`;
  const { patches, grid, startFrame = 0 } = segment;
  const { size, channels } = config.patch;
  const values = size * size * channels;
  if (patches.rank !== 3 || patches.shape[2] !== values) {
    refuse(
      `${name}: patches of shape [batch, patches, ${values}] (${size} x ${size} pixels, ${channels} channels)`,
      text(patches.shape),
    );
  }
  const { rows, columns, frames } = grid;
  const count = rows * columns * frames;
  if (patches.shape[1] !== count) {
    refuse(
      `${name}: ${count} patches (${rows} x ${columns} x ${frames})`,
      `${patches.shape[1]}; correct grid`,
    );
  }
  if (!Number.isInteger(startFrame) || startFrame < 0 || startFrame + frames > config.maxFrames) {
    refuse(
      `${name}: frames within the ${config.maxFrames} temporal positions`,
      `${frames} from position ${startFrame}; use fewer frames or an earlier startFrame`,
    );
  }
  return count;
};

/** Checks a sequence against the encoder and lays it out. @throws ShapeError */
export const layOut = (input: SequenceInput, config: ResolvedEncoderConfig): SequenceLayout => {
  const [first] = input.segments;
  if (!first) return refuse('at least one segment', 'none; give text or patches');
  const batchOf = (segment: TextSegment | VisualSegment): number =>
    segment.kind === 'text' ? segment.ids.shape[0] : segment.patches.shape[0];
  const batch = batchOf(first);
  const rows: AttributeRow[] = [];
  const indices = new Map<string, number>();
  const spans: { row: number; start: number; length: number }[] = [];
  let end = 1;
  for (const [at, segment] of input.segments.entries()) {
    const length =
      segment.kind === 'text' ? checkText(at, segment, config) : checkVisual(at, segment, config);
    if (batchOf(segment) !== batch) {
      refuse(`segment ${at}: a batch of ${batch} like the first segment's`, String(batchOf(segment)));
    }
    const key = rowKey(segment.row);
    const row = indices.get(key) ?? rows.push(segment.row) - 1;
    indices.set(key, row);
    const last = spans.at(-1);
    if (!last) spans.push({ row, start: 0, length: 1 + length });
    else if (last.row === row) last.length += length;
    else spans.push({ row, start: end, length });
    end += length;
  }
  const { mask } = input;
  if (mask) {
    const [b, one, queries, keys] = mask.shape;
    const fits =
      mask.rank === 4 &&
      (b === batch || b === 1) &&
      one === 1 &&
      (queries === end || queries === 1) &&
      keys === end;
    if (!fits) {
      refuse(
        `a mask of shape [${batch} or 1, 1, ${end} or 1, ${end}] (position 0 is the prefix token)`,
        text(mask.shape),
      );
    }
  }
  return { batch, length: end, rows, spans };
};
