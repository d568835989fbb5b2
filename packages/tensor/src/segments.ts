/** Spans of a sequence that share one routing row, and their checks. Axes: L tokens · R rows. */
import { ShapeError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';

/** A run of tokens of axis 1 that is computed with the weights of one row. */
export interface SegmentSpan {
  /** Index of the gate row or merged weight. */
  readonly row: number;
  readonly start: number;
  /** Tokens, 0 or more. */
  readonly length: number;
}

/** Refuses spans that leave gaps, overlap, or name rows that do not exist. @throws ShapeError */
export const expectSpans = (
  segments: readonly SegmentSpan[],
  {
    operator,
    length,
    rowCount,
  }: { readonly operator: string; readonly length: number; readonly rowCount: number },
): void => {
  let at = 0;
  for (const { row, start, length: tokens } of segments) {
    if (start !== at || !(tokens >= 0)) {
      throw new ShapeError(
        `${operator}: expected the next span to start at token ${at}, got start ${start} of length ${tokens}; spans follow each other without gaps`,
        { fields: { expected: at, start, length: tokens } },
      );
    }
    if (!(row >= 0 && row < rowCount)) {
      throw new ShapeError(
        `${operator}: expected a row below ${rowCount}, got ${row}; every span names one of the rows`,
        {
          fields: { row, rowCount },
        },
      );
    }
    at += tokens;
  }
  if (at !== length) {
    throw new ShapeError(
      `${operator}: expected spans that cover ${length} tokens, got ${at}; add the missing span`,
      {
        fields: { expected: length, got: at },
      },
    );
  }
};

/** The tokens of a span of `x [B, L, I]` as a matrix `[B * length, I]`. */
export const spanRows = (x: tf.Tensor3D, span: SegmentSpan): tf.Tensor2D => {
  const [batch, length, width] = x.shape;
  const part = span.length === length ? x : tf.slice(x, [0, span.start, 0], [batch, span.length, width]);
  return tf.reshape(part, [batch * span.length, width]);
};

/** Matrices `[B * length, O]` of the spans back to one `[B, L, O]`; `null` stands for an empty span. */
export const joinSpans = (
  parts: readonly (tf.Tensor2D | null)[],
  {
    batch,
    segments,
    width,
  }: { readonly batch: number; readonly segments: readonly SegmentSpan[]; readonly width: number },
): tf.Tensor3D => {
  const shaped: tf.Tensor3D[] = [];
  parts.forEach((part, at) => {
    if (part) shaped.push(tf.reshape(part, [batch, segments[at]?.length ?? 0, width]));
  });
  const [only] = shaped;
  if (!only) return tf.zeros([batch, 0, width]);
  return shaped.length === 1 ? only : tf.concat(shaped, 1);
};
