/** Segments of a batch as tokens for the encoder: values, positions, and what is padding. */
import { ConfigError } from '@polygate/core';
import { positionsOf, type LatentInputs } from '@polygate/encoder';
import { modalityNamed, type SequenceBatch } from '@polygate/modalities';
import { embedding } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { Sm4Input } from './sm4-config.ts';

/** Name of the table that tokens of text are looked up in. */
export const TEXT_TABLE = 'embedding.text';

/** What the tokens are read by. */
export interface SlotContext {
  readonly inputs: Readonly<Record<string, Sm4Input>>;
  /** Table of the tokens that are whole numbers, where the model has one. */
  readonly table: tf.Tensor2D | undefined;
}

/** [B * L] of a segment, its first token at `start`; undefined where none is padding. */
const paddingOf = (
  { size, length, keyPadding }: SequenceBatch,
  start: number,
  tokens: number,
): Uint8Array | undefined => {
  if (!keyPadding) return undefined;
  const padding = new Uint8Array(size * tokens);
  for (let row = 0; row < size; row += 1) {
    padding.set(keyPadding.subarray(row * length + start, row * length + start + tokens), row * tokens);
  }
  return padding.includes(1) ? padding : undefined;
};

/** Whether no sample of a batch has any token, for each segment. */
export const absentSlots = (batch: SequenceBatch): readonly boolean[] => {
  let start = 1;
  return batch.segments.map(({ length }) => {
    const padding = paddingOf(batch, start, length);
    start += length;
    return padding?.every((flag) => flag === 1) ?? false;
  });
};

/** The tokens of all segments of a batch, in their order. Call it inside a tidy. */
export const slotTokens = (batch: SequenceBatch, { inputs, table }: SlotContext): readonly LatentInputs[] => {
  // Position 0 is the prefix token of other models.
  let start = 1;
  return batch.segments.map((segment): LatentInputs => {
    const { modality, row, length } = segment;
    const { rawTokens } = modalityNamed(modality);
    if (!rawTokens) {
      throw new ConfigError(
        `encode: expected a modality whose record gives its tokens, got ${modality}; add rawShape and rawTokens to it`,
        { code: 'record', fields: { modality } },
      );
    }
    const { values, width, axes, coordinates } = rawTokens(segment);
    const isLookedUp = values instanceof Int32Array;
    if (isLookedUp && !table) {
      throw new ConfigError(
        `encode: expected numbers as tokens of ${modality}, got ids; the model was made for tasks without any`,
        { fields: { modality } },
      );
    }
    const tokens = isLookedUp
      ? embedding(table as tf.Tensor2D, tf.tensor2d(values, [batch.size, length], 'int32'))
      : tf.tensor3d(values, [batch.size, length, width]);
    const padding = paddingOf(batch, start, length);
    start += length;
    return {
      modality,
      row,
      tokens: tokens as tf.Tensor3D,
      positions: positionsOf(axes, coordinates, inputs[modality]?.extent),
      padding,
    };
  });
};
