/**
 * Weighted rows of weight gradients: a learning pace for the tokens of each modality (SM^4, section 3.2, adaptive learning
 * pace). Of y = W x + b the gradients become
 *   dW = sum_t w_t dy_t x_t^T,  db = sum_t w_t dy_t,  dx_t = W^T dy_t,
 * so that what comes before the linear learns at full pace. It is the linear between two identities, of which one
 * multiplies the gradient by 1 / w_t and the other by w_t.
 *
 * B batch · T tokens · I inputs · O outputs
 */
import { ConfigError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';
import type { SegmentKey, SequenceLayout } from '../sequence/layout.ts';

/** Weight of the tokens of a segment in weight gradients, above 0; undefined stands for 1. */
export type RowWeightRule = (key: SegmentKey) => number | undefined;

/** Weights of the positions of a sequence and their reciprocals, [1, T, 1] each. */
export interface RowWeights {
  readonly weights: tf.Tensor3D;
  readonly reciprocals: tf.Tensor3D;
}

/** The tensor itself, with its gradient multiplied by `factors`, which broadcast to it. */
export const scaleGradient = <T extends tf.Tensor>(x: T, factors: tf.Tensor): T => {
  const op = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [value, save] = inputs as [tf.Tensor, tf.GradSaveFunc];
    save([factors]);
    return {
      value: value.clone(),
      gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => tf.mul(dy, saved as tf.Tensor),
    };
  });
  return op(x) as T;
};

/**
 * The weights of a sequence; undefined where all are 1.
 * @throws ConfigError for a weight that is not above 0
 */
export const rowWeightsOf = (
  { segments }: Pick<SequenceLayout, 'segments'>,
  rule: RowWeightRule | undefined,
): RowWeights | undefined => {
  if (!rule) return undefined;
  const values = segments.flatMap(({ key, length }) => {
    const weight = rule(key) ?? 1;
    if (!(weight > 0 && weight < Infinity)) {
      throw new ConfigError(
        `encode: expected rowWeights above 0, got ${weight} for modality ${key.modality}; leave a modality that is not to learn out of the optimizer's parameters`,
        { fields: { weight, modality: key.modality } },
      );
    }
    return new Array<number>(length).fill(weight);
  });
  if (values.every((weight) => weight === 1)) return undefined;
  const shape: [number, number, number] = [1, values.length, 1];
  return {
    weights: tf.tensor3d(values, shape),
    reciprocals: tf.tensor3d(
      values.map((weight) => 1 / weight),
      shape,
    ),
  };
};

/** @param compute a linear of x, [B, T, I] -> [B, T, O] */
export const weighRows = (
  x: tf.Tensor3D,
  rows: RowWeights | undefined,
  compute: (x: tf.Tensor3D) => tf.Tensor3D,
): tf.Tensor3D =>
  rows ? scaleGradient(compute(scaleGradient(x, rows.reciprocals)), rows.weights) : compute(x);
