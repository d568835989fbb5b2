/**
 * What the encoder reads: segments of text and patches, and how they lie in the sequence behind the prefix token.
 *
 * B batch · L tokens of a segment · N patches · P values of a patch · T = 1 + all segment lengths
 */
import type { AttributeRow } from '@polygate/attributes';
import { ConfigError, ShapeError } from '@polygate/core';
import type { SegmentSpan } from '@polygate/tensor';
import type * as tf from '@tensorflow/tfjs';
import type { PatchGrid } from './positions.ts';
import type { ResolvedEncoderShape } from '../config/shape-config.ts';

/** A run of text tokens. Tensors are borrowed. */
export interface TextSegment {
  readonly kind: 'text';
  /** [B, L] int32, each below the vocabulary size. */
  readonly ids: tf.Tensor2D;
  /** Attributes of these tokens. */
  readonly row: AttributeRow;
  /** Name of the modality that routers may look at. @default 'text' */
  readonly modality?: string;
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
  /** Name of the modality that routers may look at. @default 'visual' */
  readonly modality?: string;
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
  /** Name of the task that the sequences serve; needed by routers that look at it. @default none */
  readonly task?: string;
  /**
   * [B, T] float32, 1 at tokens that count and 0 at padding, which takes no room among the experts of a token. Needed by
   * routers that look at tokens; hiding padding from attention is the mask's business. Borrowed. @default all count
   */
  readonly visible?: tf.Tensor2D;
  /**
   * [B, T] float32, 1 at tokens that every token of their sequence may see: the context that routers may look at. In a
   * causal text the words are left out, or a word's experts would tell of the words to come. Borrowed. @default visible
   */
  readonly context?: tf.Tensor2D;
}

/** What is known of a segment before its tokens are embedded: what routers on rows look at. */
export interface SegmentKey {
  readonly attributes: AttributeRow;
  readonly modality: string;
  /** Empty where nobody named one. */
  readonly task: string;
}

/** Settings of {@link layOut}. */
export interface LayoutOptions {
  /** Identity of a row: segments of equal identity share their weights. @default all do */
  readonly keyOf?: (key: SegmentKey) => string;
}

/** Where everything is. */
export interface SequenceLayout {
  readonly batch: number;
  /** T */
  readonly length: number;
  /** Keys of distinct identity in order of appearance, the first of each. */
  readonly rows: readonly SegmentKey[];
  /** Runs of equal rows that cover the T tokens; `row` indexes `rows`. */
  readonly spans: readonly SegmentSpan[];
  /** Every segment with the index of its row in `rows`; the prefix is counted with the first. */
  readonly segments: readonly {
    readonly key: SegmentKey;
    readonly row: number;
    readonly length: number;
  }[];
}

/** The error of a sequence that names no task though its weights depend on it. */
export const taskMissing = (condition: string, tasks: readonly string[]): ConfigError =>
  new ConfigError(
    `encode: expected the name of a task, which the condition "${condition}" routes by, got none; pass task, one of ${tasks.join(', ')}`,
    { fields: { condition, tasks } },
  );

const refuse = (expected: string, got: string, fields: Readonly<Record<string, unknown>> = {}): never => {
  throw new ShapeError(`encode: expected ${expected}, got ${got}`, { fields });
};

const text = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

const checkText = (at: number, { ids, positions }: TextSegment, config: ResolvedEncoderShape): number => {
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

const checkVisual = (at: number, segment: VisualSegment, config: ResolvedEncoderShape): number => {
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

const checkFlags = (
  name: 'visible' | 'context',
  flags: tf.Tensor2D | undefined,
  [batch, length]: readonly [number, number],
): void => {
  if (flags && (flags.rank !== 2 || flags.shape[0] !== batch || flags.shape[1] !== length)) {
    refuse(`${name} of shape [${batch}, ${length}] (position 0 is the prefix token)`, text(flags.shape));
  }
};

const checkMask = (mask: tf.Tensor4D, [batch, length]: readonly [number, number]): void => {
  const [b, one, queries, keys] = mask.shape;
  const fits =
    mask.rank === 4 &&
    (b === batch || b === 1) &&
    one === 1 &&
    (queries === length || queries === 1) &&
    keys === length;
  if (!fits) {
    refuse(
      `a mask of shape [${batch} or 1, 1, ${length} or 1, ${length}] (position 0 is the prefix token)`,
      text(mask.shape),
    );
  }
};

/**
 * Checks a sequence against the encoder and lays it out.
 * @throws ShapeError for what doesn't fit
 */
export const layOut = (
  input: SequenceInput,
  config: ResolvedEncoderShape,
  { keyOf = () => '' }: LayoutOptions = {},
): SequenceLayout => {
  const [first] = input.segments;
  if (!first) return refuse('at least one segment', 'none; give text or patches');
  const batchOf = (segment: TextSegment | VisualSegment): number =>
    segment.kind === 'text' ? segment.ids.shape[0] : segment.patches.shape[0];
  const batch = batchOf(first);
  const rows: SegmentKey[] = [];
  const indices = new Map<string, number>();
  const spans: { row: number; start: number; length: number }[] = [];
  const segments: { key: SegmentKey; row: number; length: number }[] = [];
  let end = 1;
  for (const [at, segment] of input.segments.entries()) {
    const length =
      segment.kind === 'text' ? checkText(at, segment, config) : checkVisual(at, segment, config);
    if (batchOf(segment) !== batch) {
      refuse(`segment ${at}: a batch of ${batch} like the first segment's`, String(batchOf(segment)));
    }
    const { row: attributes, modality = segment.kind } = segment;
    const key = { attributes, modality, task: input.task ?? '' };
    const identity = keyOf(key);
    const row = indices.get(identity) ?? rows.push(key) - 1;
    indices.set(identity, row);
    segments.push({ key, row, length: at === 0 ? 1 + length : length });
    const last = spans.at(-1);
    if (!last) spans.push({ row, start: 0, length: 1 + length });
    else if (last.row === row) last.length += length;
    else spans.push({ row, start: end, length });
    end += length;
  }
  if (input.mask) checkMask(input.mask, [batch, end]);
  checkFlags('visible', input.visible, [batch, end]);
  checkFlags('context', input.context, [batch, end]);
  return { batch, length: end, rows, spans, segments };
};
