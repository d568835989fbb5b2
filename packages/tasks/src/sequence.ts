/**
 * What the encoder reads, as plain typed arrays: a batch of equal-length sequences made of segments.
 *
 * B sequences · L tokens of a segment · N patches · T = 1 + all segment lengths (position 0 is the <|spe|> prefix, which
 * the model adds itself) · P values of a patch.
 */
import { ShapeError } from '@polygate/core';
import type { AttributeRow } from '@polygate/attributes';

/** Rows, columns and frames of the patches of one picture or clip; rows * columns * frames = patch count. */
export interface PatchGrid {
  readonly rows: number;
  readonly columns: number;
  readonly frames: number;
}

export interface TextPart {
  readonly kind: 'text';
  /** [B * L] token ids, row-major. */
  readonly ids: Int32Array;
  /** L */
  readonly length: number;
  /** [L] position ids shared by all rows. @default 0..L-1 */
  readonly positions?: Int32Array;
  readonly row: AttributeRow;
}

export interface VisualPart {
  readonly kind: 'visual';
  /** [B * N * P], normalised values. */
  readonly patches: Float32Array;
  /** N */
  readonly patchCount: number;
  /** P */
  readonly patchWidth: number;
  readonly grid: PatchGrid;
  readonly row: AttributeRow;
}

export interface SequenceBatch {
  /** B */
  readonly size: number;
  /** Name of the task that the sequences serve; conditions on the task route by it. Absent in shared candidate sets. */
  readonly task?: string;
  readonly segments: readonly (TextPart | VisualPart)[];
  /** T */
  readonly length: number;
  /** [B * T], 1 = padding that no token may attend to. Absent: no padding. */
  readonly keyPadding?: Uint8Array;
  /** [T * T], 1 = the query (row) may attend to the key (column). Absent: all see all. */
  readonly visibility?: Uint8Array;
}

/** Patches of a batch of pictures, before they become a segment. */
export interface ImagePatches {
  readonly size: number;
  readonly patches: Float32Array;
  readonly patchCount: number;
  readonly patchWidth: number;
  readonly grid: PatchGrid;
}

export interface TextSequenceOptions {
  readonly row: AttributeRow;
  /** Token id that fills short rows; it is never attended to. */
  readonly padding: number;
  /** Tokens per row. @default the longest row */
  readonly length?: number;
}

/**
 * One text segment from token rows of any length, padded at the end.
 * @throws ShapeError for no rows, an empty row, or a row longer than `length`
 */
export const textSequences = (
  rows: readonly ArrayLike<number>[],
  options: TextSequenceOptions,
): SequenceBatch => {
  const longest = rows.reduce((most, row) => Math.max(most, row.length), 0);
  const length = options.length ?? longest;
  if (rows.length === 0 || rows.some((row) => row.length === 0) || longest > length) {
    const bad = rows.findIndex((row) => row.length === 0 || row.length > length);
    throw new ShapeError(
      `textSequences: expected one or more token rows of 1 to ${length} tokens, got ${
        rows.length === 0 ? 'no rows' : `row ${bad} with ${rows[bad]?.length ?? 0} tokens`
      }; drop empty texts and cut long ones first`,
    );
  }
  const size = rows.length;
  const ids = new Int32Array(size * length).fill(options.padding);
  const total = 1 + length;
  let padded = false;
  const keyPadding = new Uint8Array(size * total);
  rows.forEach((row, b) => {
    ids.set(row as ArrayLike<number>, b * length);
    if (row.length < length) {
      padded = true;
      keyPadding.fill(1, b * total + 1 + row.length, (b + 1) * total);
    }
  });
  const segments = [{ kind: 'text', ids, length, row: options.row } as const];
  return padded ? { size, segments, length: total, keyPadding } : { size, segments, length: total };
};

/** One visual segment; the patches are borrowed. */
export const imageSequences = (images: ImagePatches, row: AttributeRow): SequenceBatch => ({
  size: images.size,
  segments: [visualPart(images, row)],
  length: 1 + images.patchCount,
});

/** The visual segment of some pictures; the patches are borrowed. */
export const visualPart = (images: ImagePatches, row: AttributeRow): VisualPart => ({
  kind: 'visual',
  patches: images.patches,
  patchCount: images.patchCount,
  patchWidth: images.patchWidth,
  grid: images.grid,
  row,
});

/** Cuts `tokens` so that with the end token it has at most `maximum` ids, and ends it. */
export const endedTokens = (
  tokens: ArrayLike<number>,
  options: { readonly endToken: number; readonly maximum?: number },
): Int32Array => {
  const kept = Math.min(tokens.length, (options.maximum ?? Number.POSITIVE_INFINITY) - 1);
  const out = new Int32Array(kept + 1);
  for (let i = 0; i < kept; i += 1) out[i] = tokens[i] ?? 0;
  out[kept] = options.endToken;
  return out;
};

/** Rows `indices` of a batch, copied; used to encode in chunks and to repeat rows for beams. */
export const takeSequences = (batch: SequenceBatch, indices: ArrayLike<number>): SequenceBatch => {
  const rows = Array.from(indices);
  const bad = rows.find((index) => !(index >= 0 && index < batch.size));
  if (bad !== undefined) {
    throw new ShapeError(`takeSequences: expected indices below ${batch.size}, got ${bad}`);
  }
  const copy = <A extends Int32Array | Float32Array | Uint8Array>(from: A, width: number): A => {
    const out = new (from.constructor as new (length: number) => A)(rows.length * width);
    rows.forEach((index, i) => out.set(from.subarray(index * width, (index + 1) * width), i * width));
    return out;
  };
  const segments = batch.segments.map((segment) =>
    segment.kind === 'text'
      ? { ...segment, ids: copy(segment.ids, segment.length) }
      : { ...segment, patches: copy(segment.patches, segment.patchCount * segment.patchWidth) },
  );
  return {
    ...batch,
    size: rows.length,
    segments,
    ...(batch.keyPadding ? { keyPadding: copy(batch.keyPadding, batch.length) } : {}),
  };
};
