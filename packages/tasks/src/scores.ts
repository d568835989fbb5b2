/**
 * Scores on the host: what evaluators and predictions make of them.
 *
 * N queries · C candidates
 */
import { ShapeError, StateError } from '@polygate/core';

/** Greatest score of a row, and the sum of the exponentials of all less it. @throws StateError for NaN, or no finite score */
const massOf = (scores: Float32Array, start: number, width: number): readonly [most: number, sum: number] => {
  let most = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < width; c += 1) most = Math.max(most, scores[start + c] ?? Number.NaN);
  let sum = 0;
  for (let c = 0; c < width; c += 1) sum += Math.exp((scores[start + c] ?? Number.NaN) - most);
  if (Number.isFinite(most) && Number.isFinite(sum)) return [most, sum];
  throw new StateError(
    `softmax: expected finite scores of candidates, got ${most} in row ${start / width}; has the model diverged?`,
    { code: 'nan-score' },
  );
};

const requireRows = (scores: Float32Array, width: number): void => {
  if (scores.length % width === 0) return;
  throw new ShapeError(
    `softmax: expected scores [N, ${width}], got ${scores.length} values; does the model give one score for each candidate?`,
  );
};

/**
 * Softmax of each row of [N * C].
 * @throws ShapeError for scores that are not rows of `width`; StateError (code `nan-score`) for a row with NaN or infinity
 */
export const softmaxRows = (scores: Float32Array, width: number): Float32Array => {
  requireRows(scores, width);
  const out = new Float32Array(scores.length);
  for (let start = 0; start < scores.length; start += width) {
    const [most, sum] = massOf(scores, start, width);
    for (let c = 0; c < width; c += 1) {
      out[start + c] = Math.exp((scores[start + c] ?? 0) - most) / sum;
    }
  }
  return out;
};

/** Logarithm of the softmax of each row of [N * C]. @throws as {@link softmaxRows} */
export const logSoftmaxRows = (scores: Float32Array, width: number): Float32Array => {
  requireRows(scores, width);
  const out = new Float32Array(scores.length);
  for (let start = 0; start < scores.length; start += width) {
    const [most, sum] = massOf(scores, start, width);
    const normalizer = most + Math.log(sum);
    for (let c = 0; c < width; c += 1) out[start + c] = (scores[start + c] ?? 0) - normalizer;
  }
  return out;
};

/** Indices of the `count` largest values, largest first; the lower index of equal ones. */
export const topIndices = (values: ArrayLike<number>, count: number): readonly number[] =>
  Array.from(values, (_, i) => i)
    .sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b)
    .slice(0, count);
