/**
 * Which tokens of a batch may attend to which, as tensors.
 *
 * B sequences · T = 1 + all segment lengths. The attention mask is additive: 0 to attend, -1e4 not to, as published.
 */
import type { SequenceBatch } from '@polygate/modalities';
import { hostTensor } from '@polygate/tensor';
import type * as tf from '@tensorflow/tfjs';

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
    const both = (): Float32Array => {
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
      return values;
    };
    return hostTensor<tf.Rank.R4>(both, [size, 1, length, length]);
  }
  if (visibility) {
    return hostTensor<tf.Rank.R4>(
      () => Float32Array.from(visibility, (seen) => hide(seen === 0)),
      [1, 1, length, length],
    );
  }
  if (keyPadding) {
    return hostTensor<tf.Rank.R4>(
      () => Float32Array.from(keyPadding, (padding) => hide(padding === 1)),
      [size, 1, 1, length],
    );
  }
  return undefined;
};

/**
 * [B, T], 1 at tokens that count and 0 at padding, which takes no room among the experts of a token; undefined where all
 * count.
 */
export const visibleTokens = ({ size, length, keyPadding }: SequenceBatch): tf.Tensor2D | undefined =>
  keyPadding &&
  hostTensor<tf.Rank.R2>(
    () => Float32Array.from(keyPadding, (padding) => (padding === 1 ? 0 : 1)),
    [size, length],
  );

/**
 * [B, T], 1 at tokens that all of their sequence may attend to: the context that routers may look at. In a causal text the
 * words are left out, or a word's experts would tell of the words to come. Undefined where those are all that count.
 */
export const contextTokens = ({
  size,
  length,
  keyPadding,
  visibility,
}: SequenceBatch): tf.Tensor2D | undefined => {
  if (!visibility) return undefined;
  const seenByAll = (): Float32Array => {
    const values = new Float32Array(size * length);
    for (let key = 0; key < length; key += 1) {
      let shared = true;
      for (let query = 0; query < length && shared; query += 1)
        shared = visibility[query * length + key] === 1;
      for (let b = 0; shared && b < size; b += 1) {
        values[b * length + key] = keyPadding?.[b * length + key] === 1 ? 0 : 1;
      }
    }
    return values;
  };
  return hostTensor<tf.Rank.R2>(seenByAll, [size, length]);
};
