/**
 * Attention of a forward that fills or uses a cache of keys and values, block by block.
 *
 * B sequences · L new positions · h heads · d width of a head
 */
import { attention, crossAttention, toHeads, type KeysAndValues } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { BlockAttention } from '../blocks/block.ts';
import { continuationMask, type SequenceContinuation } from './continuation.ts';
import type { KeyValueCache } from './key-value-cache.ts';

/** Attention of one forward, and what is done when all blocks have run. Call both inside its tidy. */
export interface CachingAttention {
  readonly attend: BlockAttention;
  store(): void;
}

/** Part of a fused projection, [B, L, 3 D] -> [B, h, L, d]: 0 queries, 1 keys, 2 values. */
const partOf = (qkv: tf.Tensor3D, part: 0 | 1 | 2, heads: number): tf.Tensor4D => {
  const [batch, length, fused] = qkv.shape;
  const width = fused / 3;
  return toHeads(tf.slice(qkv, [0, 0, part * width], [batch, length, width]), heads);
};

/** Shared prompts [P, D] or those of each sequence [B, P, D] -> [B, h, P, d]. */
const promptHeads = (prompts: tf.Tensor, batch: number, heads: number): tf.Tensor4D =>
  prompts.rank === 3
    ? toHeads(prompts as tf.Tensor3D, heads)
    : tf.tile(toHeads(tf.expandDims(prompts, 0), heads), [batch, 1, 1, 1]);

/** Prompts in front of a padding mask [B, 1, 1, H] are never masked; a copy, the cache's own. */
const maskBehind = (padding: tf.Tensor4D, prompts: number): tf.Tensor4D =>
  prompts === 0
    ? padding.clone()
    : tf.pad4d(padding, [
        [0, 0],
        [0, 0],
        [0, 0],
        [prompts, 0],
      ]);

/** A start: attention as ever; its keys and values, those of deep prompts before them, go into the cache. */
export const startAttention = (cache: KeyValueCache, padding: tf.Tensor4D | undefined): CachingAttention => {
  const blocks: KeysAndValues[] = [];
  return {
    attend(qkv, options) {
      const { heads, promptKeys, promptValues } = options;
      const joined = (part: 1 | 2, front: tf.Tensor | undefined): tf.Tensor4D => {
        const behind = partOf(qkv, part, heads);
        return front ? tf.concat4d([promptHeads(front, qkv.shape[0], heads), behind], 2) : behind;
      };
      const mask = padding && maskBehind(padding, promptKeys?.shape.at(-2) ?? 0);
      blocks.push({ keys: joined(1, promptKeys), values: joined(2, promptValues), mask });
      return attention(qkv, options);
    },
    store: () => cache.begin(blocks),
  };
};

/** A continuation: queries of the new positions over the keys of the cache and their own. */
export const continuedAttention = (cache: KeyValueCache, batch: SequenceContinuation): CachingAttention => {
  const mask = continuationMask(batch, cache.kept);
  const kept = cache.kept + batch.keep;
  const blocks: KeysAndValues[] = [];
  return {
    attend(qkv, { heads, block }) {
      const { start, later } = cache.block(block);
      const grown = (part: 1 | 2, before: tf.Tensor4D | undefined): tf.Tensor4D => {
        const behind = partOf(qkv, part, heads);
        return before ? tf.concat4d([before, behind], 2) : behind;
      };
      const keys = grown(1, later?.keys);
      const values = grown(2, later?.values);
      const keptOf = (all: tf.Tensor4D): tf.Tensor4D => tf.slice(all, [0, 0, 0, 0], [-1, -1, kept, -1]);
      if (batch.keep > 0) blocks.push({ keys: keptOf(keys), values: keptOf(values) });
      return crossAttention(partOf(qkv, 0, heads), [start, { keys, values, mask }]);
    },
    store() {
      if (batch.keep > 0) cache.replaceLater(blocks);
    },
  };
};
