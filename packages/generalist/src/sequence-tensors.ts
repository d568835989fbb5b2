/**
 * From a task's plain arrays to the encoder's tensors.
 *
 * B sequences · T = 1 + all segment lengths. The attention mask is additive: 0 to attend, -1e4 not to, as published.
 */
import { ShapeError } from '@polygate/core';
import type { SequenceInput } from '@polygate/encoder';
import type { SequenceBatch } from '@polygate/tasks';
import * as tf from '@tensorflow/tfjs';

/** Added to the score of a key that must not be seen; its exponential is 0 in float32. */
export const HIDDEN = -1e4;

/**
 * [1, 1, T, T] from a visibility alone, [B, 1, 1, T] from padding alone, [B, 1, T, T] from both, or none at all.
 * A key is hidden where either says so.
 */
export const attentionMask = (batch: SequenceBatch): tf.Tensor4D | undefined => {
  const { size, length, keyPadding, visibility } = batch;
  const hide = (flag: boolean): number => (flag ? HIDDEN : 0);
  if (visibility && keyPadding) {
    const values = new Float32Array(size * length * length);
    for (let b = 0; b < size; b += 1) {
      for (let query = 0; query < length; query += 1) {
        for (let key = 0; key < length; key += 1) {
          values[(b * length + query) * length + key] = hide(
            visibility[query * length + key] === 0 || keyPadding[b * length + key] === 1,
          );
        }
      }
    }
    return tf.tensor4d(values, [size, 1, length, length]);
  }
  if (visibility) {
    return tf.tensor4d(
      Float32Array.from(visibility, (seen) => hide(seen === 0)),
      [1, 1, length, length],
    );
  }
  if (keyPadding) {
    return tf.tensor4d(
      Float32Array.from(keyPadding, (padding) => hide(padding === 1)),
      [size, 1, 1, length],
    );
  }
  return undefined;
};

/** [B, T], 1 at tokens that count, or undefined where all do. */
const visibleTokens = ({ size, length, keyPadding }: SequenceBatch): tf.Tensor2D | undefined =>
  keyPadding &&
  tf.tensor2d(
    Float32Array.from(keyPadding, (padding) => (padding === 1 ? 0 : 1)),
    [size, length],
  );

/** [B, T], 1 at tokens that all of their sequence may attend to, or undefined where those are all that count. */
const contextTokens = ({ size, length, keyPadding, visibility }: SequenceBatch): tf.Tensor2D | undefined => {
  if (!visibility) return undefined;
  const values = new Float32Array(size * length);
  for (let key = 0; key < length; key += 1) {
    let shared = true;
    for (let query = 0; query < length && shared; query += 1) shared = visibility[query * length + key] === 1;
    for (let b = 0; shared && b < size; b += 1) {
      values[b * length + key] = keyPadding?.[b * length + key] === 1 ? 0 : 1;
    }
  }
  return tf.tensor2d(values, [size, length]);
};

/**
 * Refuses ids of another vocabulary while they are on the host: an engine may only find out on the device.
 * @throws ShapeError naming the first one
 */
export const checkIds = ({ segments }: SequenceBatch, vocabularySize: number): void => {
  for (const segment of segments) {
    if (segment.kind !== 'text') continue;
    const at = segment.ids.findIndex((id) => !(id >= 0 && id < vocabularySize));
    if (at < 0) continue;
    const [row, token] = [Math.floor(at / segment.length), at % segment.length];
    throw new ShapeError(
      `tokens: expected ids in [0, ${vocabularySize}), got ${segment.ids[at]} at token ${token} of sequence ${row}; were they made with the tokenizer of this model?`,
      { fields: { vocabularySize, id: segment.ids[at], row, token } },
    );
  }
};

/**
 * Tensors of a batch; they belong to the caller or the enclosing tidy.
 * @param startFrame temporal position of every visual segment
 */
export const sequenceInput = (batch: SequenceBatch, startFrame = 0): SequenceInput => {
  const { size } = batch;
  const segments = batch.segments.map((segment) =>
    segment.kind === 'text'
      ? {
          kind: 'text' as const,
          ids: tf.tensor2d(segment.ids, [size, segment.length], 'int32'),
          row: segment.row,
          ...(segment.positions ? { positions: tf.tensor1d(segment.positions, 'int32') } : {}),
        }
      : {
          kind: 'visual' as const,
          patches: tf.tensor3d(segment.patches, [size, segment.patchCount, segment.patchWidth]),
          grid: segment.grid,
          row: segment.row,
          startFrame,
        },
  );
  const mask = attentionMask(batch);
  const visible = visibleTokens(batch);
  const context = contextTokens(batch);
  return {
    segments,
    ...(batch.task === undefined ? {} : { task: batch.task }),
    ...(mask ? { mask } : {}),
    ...(visible ? { visible } : {}),
    ...(context ? { context } : {}),
  };
};
