/**
 * Rows of a sequence: runs of its tokens that share what is said of their segments (attributes, modality, task), as far as
 * one group of experts tells them apart. Each group may tell other rows apart.
 */
import type { SegmentSpan } from '@polygate/tensor';
import type { SegmentKey, SequenceLayout } from './layout.ts';

/** The rows of a sequence. */
export interface SequenceRows {
  /** Keys of distinct identity in order of appearance, the first of each. */
  readonly rows: readonly SegmentKey[];
  /** Runs of equal rows that cover the T tokens; `row` indexes `rows`. */
  readonly spans: readonly SegmentSpan[];
  /** Row of each segment, an index of `rows`. */
  readonly bySegment: readonly number[];
}

/** @param identityOf identity of a row: segments of equal identity share their weights */
export const rowsOf = (
  { segments }: Pick<SequenceLayout, 'segments'>,
  identityOf: (key: SegmentKey) => string,
): SequenceRows => {
  const rows: SegmentKey[] = [];
  const indices = new Map<string, number>();
  const spans: { row: number; start: number; length: number }[] = [];
  const bySegment: number[] = [];
  let start = 0;
  for (const { key, length } of segments) {
    const identity = identityOf(key);
    const row = indices.get(identity) ?? rows.push(key) - 1;
    indices.set(identity, row);
    bySegment.push(row);
    const last = spans.at(-1);
    if (last?.row === row) last.length += length;
    else spans.push({ row, start, length });
    start += length;
  }
  return { rows, spans, bySegment };
};
