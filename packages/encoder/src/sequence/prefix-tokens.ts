/** Where the prefix token stands in a batch: in front of every sequence, and wherever a modality has it among its tokens. */
import { modalityNamed, type SequenceBatch } from '@polygate/modalities';
import * as tf from '@tensorflow/tfjs';
import type { ResolvedEncoderShape } from '../config/shape-config.ts';

/**
 * 1 at prefix tokens, else 0: [B, T, 1], or [1, T, 1] where the first position alone may be one.
 * @param first whether the first position is one; it isn't in positions that go on from others
 */
export const prefixTokens = (
  { size, segments, length }: Pick<SequenceBatch, 'size' | 'segments' | 'length'>,
  { modalities }: Pick<ResolvedEncoderShape, 'modalities'>,
  first = true,
): tf.Tensor3D => {
  const within = segments.map((segment) =>
    modalityNamed(segment.modality).prefixTokens?.(segment, modalities[segment.modality] ?? {}),
  );
  const rows = within.some((flags) => flags?.includes(1)) ? size : 1;
  const values = new Float32Array(rows * length);
  for (let row = 0; row < rows; row += 1) {
    if (first) values[row * length] = 1;
    let start = row * length + (first ? 1 : 0);
    segments.forEach((segment, at) => {
      const flags = rows > 1 || size === 1 ? within[at] : undefined;
      if (flags) values.set(flags.subarray(row * segment.length, (row + 1) * segment.length), start);
      start += segment.length;
    });
  }
  return tf.tensor3d(values, [rows, length, 1]);
};
