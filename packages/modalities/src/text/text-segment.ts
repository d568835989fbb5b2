/** Text as segments and sequences. */
import type { AttributeRow } from '@polygate/attributes';
import { ShapeError } from '@polygate/core';
import type { Segment, SegmentRows, SequenceBatch } from '../segment.ts';
import { joinSegments } from '../sequence-batch.ts';

/** A text segment. */
export type TextSegment = Segment<
  {
    /** [B * L] token ids, row-major. */
    readonly ids: Int32Array;
  },
  {
    /** [L] position ids shared by all sequences. @default 0..L-1 */
    readonly positions?: Int32Array;
  }
>;

/** Token ids of a batch, before they become a segment. */
export interface TokenRows {
  /** [B * L], row-major; borrowed. */
  readonly ids: Int32Array;
  /** L */
  readonly length: number;
  /** [L] position ids shared by all sequences. @default 0..L-1 */
  readonly positions?: Int32Array;
}

/** The segment of some token ids, which are borrowed. */
export const textSegment = ({ ids, length, positions }: TokenRows, row: AttributeRow): TextSegment => ({
  modality: 'text',
  arrays: { ids },
  length,
  layout: positions ? { positions } : {},
  row,
});

/** Whether a segment is text. */
export const isTextSegment = (segment: Segment | undefined): segment is TextSegment =>
  segment?.modality === 'text';

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
export const padTokens = (
  rows: readonly ArrayLike<number>[],
  options: TextSequenceOptions,
): SegmentRows<TextSegment> => {
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
  const ids = new Int32Array(rows.length * length).fill(options.padding);
  const padding = new Uint8Array(rows.length * length);
  rows.forEach((row, b) => {
    ids.set(row, b * length);
    padding.fill(1, b * length + row.length, (b + 1) * length);
  });
  const segment = textSegment({ ids, length }, options.row);
  return padding.includes(1) ? { segment, padding } : { segment };
};

/** Sequences of one text each, padded at the end. @throws ShapeError as `padTokens` */
export const textSequences = (
  rows: readonly ArrayLike<number>[],
  options: TextSequenceOptions,
): SequenceBatch => joinSegments(rows.length, [padTokens(rows, options)]);

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
