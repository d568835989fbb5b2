/**
 * Weighted rows of weight gradients: a learning pace for the tokens of each modality (SM^4, section 3.2, adaptive learning
 * pace). Of y = W x + b the gradients become
 *   dW = sum_t w_t dy_t x_t^T,  db = sum_t w_t dy_t,  dx_t = W^T dy_t,
 * so that what comes before the linear learns at full pace, and so do the gates of experts. The operators of
 * `@polygate/tensor` compute it (`weightRates`).
 *
 * B batch · T tokens
 */
import { ConfigError } from '@polygate/core';
import type { SegmentSpan } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { SegmentKey, SequenceLayout } from '../sequence/layout.ts';

/** Weight of the tokens of a segment in weight gradients, at least 0; undefined stands for 1. */
export type RowWeightRule = (key: SegmentKey) => number | undefined;

/** Weights of the positions of a sequence. */
export interface RowWeights {
  /** [T] */
  readonly values: readonly number[];
  /** [B, T], the same for every sample. */
  readonly rates: tf.Tensor2D;
}

/**
 * The weights of a sequence; undefined where all are 1. Call it inside the tidy of the forward.
 * @throws ConfigError for a weight that is not a number of at least 0
 */
export const rowWeightsOf = (
  { batch, segments }: Pick<SequenceLayout, 'batch' | 'segments'>,
  rule: RowWeightRule | undefined,
): RowWeights | undefined => {
  if (!rule) return undefined;
  const values = segments.flatMap(({ key, length }) => {
    const weight = rule(key) ?? 1;
    if (!(weight >= 0 && weight < Infinity)) {
      throw new ConfigError(
        `encode: expected rowWeights of at least 0, got ${weight} for modality ${key.modality}; 0 leaves a modality out of what the linears learn`,
        { fields: { weight, modality: key.modality } },
      );
    }
    return new Array<number>(length).fill(weight);
  });
  if (values.every((weight) => weight === 1)) return undefined;
  return { values, rates: tf.tile(tf.tensor2d(values, [1, values.length]), [batch, 1]) };
};

/** Spans of rows whose tokens weigh the same each. */
export interface WeightedSpans {
  /** `row` indexes `rows` and `rates`. */
  readonly segments: readonly SegmentSpan[];
  /** The row that each was cut from. */
  readonly rows: readonly number[];
  /** Weight of each. */
  readonly rates: readonly number[];
}

/** Cuts spans where the weight changes; parts of a row that weigh the same stay one row. */
export const weightedSpans = (
  spans: readonly SegmentSpan[],
  { values }: Pick<RowWeights, 'values'>,
): WeightedSpans => {
  const rows: number[] = [];
  const rates: number[] = [];
  const indexOf = (row: number, rate: number): number => {
    const index = rows.findIndex((each, i) => each === row && rates[i] === rate);
    return index >= 0 ? index : (rates.push(rate), rows.push(row) - 1);
  };
  const segments = spans.flatMap(({ row, start, length }) => {
    const parts: { row: number; start: number; length: number }[] = [];
    for (let at = start; at < start + length; at += 1) {
      const index = indexOf(row, values[at] ?? 1);
      const last = parts.at(-1);
      if (last?.row === index) last.length += 1;
      else parts.push({ row: index, start: at, length: 1 });
    }
    return parts;
  });
  return { segments, rows, rates };
};
