/**
 * Ridge regression, and the nearest row: what plain features tell of numbers and classes. N training rows · F features · O
 * outputs.
 */
import { ConfigError, ShapeError } from '@polygate/core';

/** Rows of features with what is asked of each. */
export interface RidgeTraining {
  /** [N, F] row-major. */
  readonly features: Float64Array;
  /** [N, O] row-major. */
  readonly targets: Float64Array;
}

/** A linear function of features. */
export interface RidgeModel {
  /** [F, O] row-major. */
  readonly weights: Float64Array;
  /** [O] */
  readonly offsets: Float64Array;
  /** Outputs [O] of features [F]. */
  answer(features: ArrayLike<number>): Float64Array;
}

const requireFinite = (name: string, values: Float64Array): void => {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new ConfigError(
    `fitRidge: expected finite ${name}, got ${values[at]} at position ${at}; leave that row out`,
  );
};

/** Means of the columns of rows. */
const columnMeans = (values: Float64Array, width: number): Float64Array => {
  const means = new Float64Array(width);
  const rows = values.length / width;
  for (let i = 0; i < values.length; i += 1)
    means[i % width] = (means[i % width] ?? 0) + (values[i] ?? 0) / rows;
  return means;
};

/** Solves A X = B for a symmetric positive definite A [F, F], by Cholesky; both are overwritten, X stands in B [F, O]. */
const solveSymmetric = (a: Float64Array, b: Float64Array, size: number): void => {
  const outputs = b.length / size;
  for (let column = 0; column < size; column += 1) {
    for (let row = column; row < size; row += 1) {
      let sum = a[row * size + column] ?? 0;
      for (let k = 0; k < column; k += 1) sum -= (a[row * size + k] ?? 0) * (a[column * size + k] ?? 0);
      a[row * size + column] = row === column ? Math.sqrt(sum) : sum / (a[column * size + column] ?? 1);
    }
  }
  for (let output = 0; output < outputs; output += 1) {
    for (let row = 0; row < size; row += 1) {
      let sum = b[row * outputs + output] ?? 0;
      for (let k = 0; k < row; k += 1) sum -= (a[row * size + k] ?? 0) * (b[k * outputs + output] ?? 0);
      b[row * outputs + output] = sum / (a[row * size + row] ?? 1);
    }
    for (let row = size - 1; row >= 0; row -= 1) {
      let sum = b[row * outputs + output] ?? 0;
      for (let k = row + 1; k < size; k += 1)
        sum -= (a[k * size + row] ?? 0) * (b[k * outputs + output] ?? 0);
      b[row * outputs + output] = sum / (a[row * size + row] ?? 1);
    }
  }
};

/**
 * Least squares with a penalty on the squares of the weights: |Y - X W - b|^2 + alpha |W|^2; the offset b has none. Of
 * classes, targets are 1 for a row's own and -1 for the others, one against the rest.
 * @param options `alpha`: above 0, by default 1 as of scikit-learn; `width`: columns of the features
 * @throws ShapeError for no rows and for arrays of other lengths; ConfigError for another alpha, and for what is not
 * finite
 */
export const fitRidge = (
  { features, targets }: RidgeTraining,
  { width, alpha = 1 }: { readonly width: number; readonly alpha?: number },
): RidgeModel => {
  if (!(alpha > 0)) throw new ConfigError(`fitRidge: expected an alpha above 0, got ${alpha}`);
  const rows = features.length / width;
  const outputs = targets.length / rows;
  if (!(rows >= 1 && Number.isInteger(rows) && outputs >= 1 && Number.isInteger(outputs))) {
    throw new ShapeError(
      `fitRidge: expected features [N, ${width}] and targets [N, O], got ${features.length} and ${targets.length} numbers`,
    );
  }
  requireFinite('features', features);
  requireFinite('targets', targets);
  const [means, middles] = [columnMeans(features, width), columnMeans(targets, outputs)];
  const products = new Float64Array(width * width);
  const weights = new Float64Array(width * outputs);
  const centred = new Float64Array(width);
  for (let row = 0; row < rows; row += 1) {
    for (let i = 0; i < width; i += 1) centred[i] = (features[row * width + i] ?? 0) - (means[i] ?? 0);
    for (let i = 0; i < width; i += 1) {
      const value = centred[i] ?? 0;
      if (value === 0) continue;
      // The lower triangle is what the solver reads.
      for (let j = 0; j <= i; j += 1)
        products[i * width + j] = (products[i * width + j] ?? 0) + value * (centred[j] ?? 0);
      for (let o = 0; o < outputs; o += 1)
        weights[i * outputs + o] =
          (weights[i * outputs + o] ?? 0) + value * ((targets[row * outputs + o] ?? 0) - (middles[o] ?? 0));
    }
  }
  for (let i = 0; i < width; i += 1) products[i * width + i] = (products[i * width + i] ?? 0) + alpha;
  solveSymmetric(products, weights, width);
  const offsets = middles.map((middle, o) =>
    means.reduce((sum, mean, i) => sum - mean * (weights[i * outputs + o] ?? 0), middle),
  );
  return {
    weights,
    offsets,
    answer: (values) => {
      const out = offsets.slice();
      for (let i = 0; i < width; i += 1)
        for (let o = 0; o < outputs; o += 1)
          out[o] = (out[o] ?? 0) + (values[i] ?? 0) * (weights[i * outputs + o] ?? 0);
      return out;
    },
  };
};

/** Index of the training row [N, F] that is nearest to a row [F] (Euclidean); the first of equally near ones. */
export const nearestRow = (training: Float64Array, row: ArrayLike<number>): number => {
  const width = row.length;
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (let start = 0, at = 0; start < training.length; start += width, at += 1) {
    let sum = 0;
    for (let i = 0; i < width && sum < least; i += 1) {
      const step = (training[start + i] ?? 0) - (row[i] ?? 0);
      sum += step * step;
    }
    if (sum < least) [best, least] = [at, sum];
  }
  return best;
};
