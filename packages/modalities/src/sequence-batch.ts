/** Batches of sequences: segments joined behind the prefix token, and rows of a batch. */
import { ShapeError } from '@polygate/core';
import type { SegmentArray, SegmentRows, SequenceBatch } from './segment.ts';

/** Sequences of some segments in their order, each with its padding. @param size B */
export const joinSegments = (size: number, parts: readonly SegmentRows[]): SequenceBatch => {
  const segments = parts.map(({ segment }) => segment);
  const length = segments.reduce((sum, segment) => sum + segment.length, 1);
  if (parts.every(({ padding }) => padding === undefined)) return { size, segments, length };
  const keyPadding = new Uint8Array(size * length);
  let start = 1;
  for (const { segment, padding } of parts) {
    for (let b = 0; padding && b < size; b += 1) {
      keyPadding.set(padding.subarray(b * segment.length, (b + 1) * segment.length), b * length + start);
    }
    start += segment.length;
  }
  return { size, segments, length, keyPadding };
};

const copyRows = (from: SegmentArray, rows: readonly number[], width: number): SegmentArray => {
  const to = new (from.constructor as new (length: number) => SegmentArray)(rows.length * width);
  rows.forEach((index, i) => to.set(from.subarray(index * width, (index + 1) * width), i * width));
  return to;
};

/** Rows `indices` of a batch, copied; used to encode in chunks and to repeat rows for beams. @throws ShapeError */
export const takeSequences = (batch: SequenceBatch, indices: ArrayLike<number>): SequenceBatch => {
  const rows = Array.from(indices);
  const bad = rows.find((index) => !(index >= 0 && index < batch.size));
  if (bad !== undefined) {
    throw new ShapeError(`takeSequences: expected indices below ${batch.size}, got ${bad}`);
  }
  const segments = batch.segments.map((segment) => ({
    ...segment,
    arrays: Object.fromEntries(
      Object.entries(segment.arrays).map(([name, values]) => [
        name,
        copyRows(values, rows, values.length / batch.size),
      ]),
    ),
  }));
  return {
    ...batch,
    size: rows.length,
    segments,
    ...(batch.keyPadding ? { keyPadding: copyRows(batch.keyPadding, rows, batch.length) as Uint8Array } : {}),
  };
};
