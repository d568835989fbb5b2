/**
 * Factors of rows in the gradients of weights and biases alone: the forward pass and what goes back to inputs and gates
 * are as without them, dW = sum_n rate[n] dz[n]^T x[n]. Under plain gradient descent that is a learning rate of its own for
 * each row, such as the rows of one modality (Adaptive Learning Pace); optimizers that normalise their gradients see
 * relative rates alone.
 */
import { ShapeError } from '@polygate/core';
import * as tf from '@tensorflow/tfjs';

/** Refuses rates that are not one finite number of at least 0 for each row. @throws ShapeError */
export const expectRates = (rates: readonly number[], rows: number, operator: string): void => {
  const fits = rates.length === rows && rates.every((rate) => rate >= 0 && rate < Infinity);
  if (fits) return;
  throw new ShapeError(
    `${operator}: expected weightRates of ${rows} rows, each at least 0, got [${rates.join(', ')}]; give 1 for rows that learn as without`,
    { fields: { rows, rates } },
  );
};

/** Refuses rates that are not a factor for each of the leading axes of `x [..., D]`. @throws ShapeError */
export const expectRowRates = (rates: tf.Tensor, x: tf.Tensor, operator: string): void => {
  const leading = x.shape.slice(0, -1);
  if (rates.rank === leading.length && rates.shape.every((extent, axis) => extent === leading[axis])) return;
  throw new ShapeError(
    `${operator}: expected weightRates of shape [${leading.join(', ')}], got [${rates.shape.join(', ')}]; give one factor for each row of x`,
    { fields: { expected: leading, got: rates.shape } },
  );
};

/** `dy [..., O]` times the rates of its rows. */
export const ratedRows = (dy: tf.Tensor, rates: tf.Tensor): tf.Tensor => tf.mul(dy, tf.expandDims(rates, -1));
