import { ShapeError } from '@polygate/core';
import type * as tf from '@tensorflow/tfjs';

/** A readable shape for error texts, e.g. `[2, 3]`. */
export const shapeText = (shape: readonly (number | null)[]): string => `[${shape.join(', ')}]`;

/** Refuses a tensor whose shape isn't the expected one; `null` in `expected` stands for any size. @throws ShapeError */
export const expectShape = (
  tensor: Pick<tf.Tensor, 'rank' | 'shape'>,
  expected: readonly (number | null)[],
  what: { readonly operator: string; readonly name: string; readonly remedy: string },
): void => {
  const fits =
    tensor.rank === expected.length &&
    expected.every((size, axis) => size === null || tensor.shape[axis] === size);
  if (!fits) {
    const wanted = `[${expected.map((size) => size ?? '?').join(', ')}]`;
    throw new ShapeError(
      `${what.operator}: expected ${what.name} of shape ${wanted}, got ${shapeText(tensor.shape)}; ${what.remedy}`,
      { fields: { operator: what.operator, expected, got: tensor.shape } },
    );
  }
};

/** The size of the last axis. @throws ShapeError for a scalar */
export const lastSize = (tensor: tf.Tensor, operator: string): number => {
  const size = tensor.shape[tensor.rank - 1];
  if (size === undefined) {
    throw new ShapeError(
      `${operator}: expected a tensor of rank 1 or more, got a scalar; add a feature axis`,
      {
        fields: { operator },
      },
    );
  }
  return size;
};

/** Refuses whole numbers and truth values where engines would fail, each in its own words. @throws ShapeError */
export const expectFloat = (
  tensor: Pick<tf.Tensor, 'dtype'>,
  what: { readonly operator: string; readonly name: string },
): void => {
  if (tensor.dtype === 'float32') return;
  throw new ShapeError(
    `${what.operator}: expected ${what.name} of float32, got ${tensor.dtype}; convert it by tf.cast(tensor, 'float32')`,
    { fields: { operator: what.operator, got: tensor.dtype } },
  );
};
