import { ShapeError } from '@polygate/core';
import type * as tf from '@tensorflow/tfjs';
import { shapeText } from './shapes.ts';

/** What a mask goes with. */
export interface MaskedScores {
  /** Begins errors. */
  readonly name: string;
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  /** Ends errors. */
  readonly remedy: string;
}

/** @throws ShapeError for a mask that is not [B|1, 1, L|1, K] */
export const expectMask = (mask: tf.Tensor4D, { name, batch, queries, keys, remedy }: MaskedScores): void => {
  const [maskBatch, one, from, to] = mask.shape;
  const fits =
    mask.rank === 4 &&
    (maskBatch === batch || maskBatch === 1) &&
    one === 1 &&
    (from === queries || from === 1) &&
    to === keys;
  if (fits) return;
  throw new ShapeError(
    `${name} of shape [${batch}|1, 1, ${queries}|1, ${keys}], got ${shapeText(mask.shape)}; ${remedy}`,
    { fields: { got: mask.shape } },
  );
};
