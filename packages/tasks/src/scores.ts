/**
 * Scores on the host: what evaluators and predictions make of them.
 *
 * N queries · C candidates
 */

/** Softmax of each row of [N * C]. */
export const softmaxRows = (scores: Float32Array, width: number): Float32Array => {
  const out = new Float32Array(scores.length);
  for (let start = 0; start < scores.length; start += width) {
    let most = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < width; c += 1) most = Math.max(most, scores[start + c] ?? 0);
    let sum = 0;
    for (let c = 0; c < width; c += 1) sum += Math.exp((scores[start + c] ?? 0) - most);
    for (let c = 0; c < width; c += 1) {
      out[start + c] = Math.exp((scores[start + c] ?? 0) - most) / sum;
    }
  }
  return out;
};

/** Logarithm of the softmax of each row of [N * C]. */
export const logSoftmaxRows = (scores: Float32Array, width: number): Float32Array => {
  const out = new Float32Array(scores.length);
  for (let start = 0; start < scores.length; start += width) {
    let most = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < width; c += 1) most = Math.max(most, scores[start + c] ?? 0);
    let sum = 0;
    for (let c = 0; c < width; c += 1) sum += Math.exp((scores[start + c] ?? 0) - most);
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
