/** A linear layer whose weights differ by segment: y[:, span] = x[:, span] W_row^T + b_row. Axes: B batch · L tokens. */
import * as tf from '@tensorflow/tfjs';
import { present } from './dispatch.ts';
import { linear } from './linear.ts';
import type { LinearExpert } from './merge-experts.ts';
import { expectSpans, joinSpans, spanRows, type SegmentSpan } from './segments.ts';
import { expectShape } from './shapes.ts';

/**
 * @param x float32 [B, L, I]; borrowed
 * @param merged weights of each row, as {@link mergeExperts} makes them; borrowed
 * @param segments spans of axis 1, in order, without gaps, covering L
 * @returns a new float32 tensor [B, L, O]
 * @throws ShapeError
 */
export const segmentLinear = (
  x: tf.Tensor3D,
  merged: readonly LinearExpert[],
  segments: readonly SegmentSpan[],
): tf.Tensor3D => {
  expectShape(x, [null, null, null], {
    operator: 'segmentLinear',
    name: 'x [B, L, I]',
    remedy: 'add a batch axis',
  });
  const [batch, length] = x.shape;
  expectSpans(segments, { operator: 'segmentLinear', length, rowCount: merged.length });
  return tf.tidy(() => {
    const parts = segments.map((span) => {
      if (span.length === 0) return null;
      const { weight, bias } = present(merged[span.row]);
      return linear(spanRows(x, span), weight, bias) as tf.Tensor2D;
    });
    return joinSpans(parts, { batch, segments, width: merged[0]?.weight.shape[0] ?? 0 });
  });
};
