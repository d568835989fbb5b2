/** Embeddings of samples: N points of D values, row by row, with checks that scores of them share. */
import { ConfigError, ShapeError } from '@polygate/core';
import type { Labels } from './classification.ts';

export interface Embeddings {
  /** [N, D] row by row. */
  readonly values: ArrayLike<number>;
  /** D */
  readonly width: number;
}

/** Embeddings with the class of each. */
export interface LabelledEmbeddings extends Embeddings {
  /** [N] from 0. */
  readonly labels: Labels;
}

/** Number of points. @throws ShapeError for rows that are not whole or none; ConfigError for values that are not finite */
export const countEmbeddings = (name: string, { values, width }: Embeddings): number => {
  const count = values.length / width;
  if (!Number.isInteger(count) || count === 0 || !(width >= 1)) {
    throw new ShapeError(
      `${name}: expected one or more rows of ${width} values, got ${values.length} values`,
    );
  }
  for (let i = 0; i < values.length; i += 1) {
    if (Number.isFinite(values[i])) continue;
    throw new ConfigError(
      `${name}: expected finite embeddings, got ${values[i]} in row ${Math.floor(i / width)}; has the model diverged?`,
      { code: 'nan-score' },
    );
  }
  return count;
};

/** Number of points, each with a label from 0 to classes - 1. @throws ShapeError, ConfigError */
export const countLabelled = (name: string, set: LabelledEmbeddings, classes: number): number => {
  const count = countEmbeddings(name, set);
  if (set.labels.length !== count) {
    throw new ShapeError(`${name}: expected a label for each of ${count} rows, got ${set.labels.length}`);
  }
  for (let i = 0; i < count; i += 1) {
    const label = set.labels[i] ?? Number.NaN;
    if (Number.isInteger(label) && label >= 0 && label < classes) continue;
    throw new ConfigError(`${name}: expected labels from 0 to ${classes - 1}, got ${label} for row ${i}`);
  }
  return count;
};

/** @throws ShapeError unless both are of the same width */
export const requireSameWidth = (
  name: string,
  a: Pick<Embeddings, 'width'>,
  b: Pick<Embeddings, 'width'>,
): void => {
  if (a.width === b.width) return;
  throw new ShapeError(`${name}: expected embeddings of one width, got ${a.width} and ${b.width}`);
};

/** Rows of length 1, float64 [N, D]; a row of zeros stays. */
export const unitRows = ({ values, width }: Embeddings): Float64Array => {
  const out = Float64Array.from(values);
  for (let start = 0; start < out.length; start += width) {
    const row = out.subarray(start, start + width);
    const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    if (norm > 0) for (let d = 0; d < width; d += 1) row[d] = (row[d] ?? 0) / norm;
  }
  return out;
};
