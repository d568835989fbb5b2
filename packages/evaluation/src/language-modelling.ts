/** Scores of predicted tokens. N positions · V vocabulary. Log probabilities are natural (nats). */
import { ConfigError, ShapeError } from '@polygate/core';
import { meanScore } from './classification.ts';
import type { Labels, SampleScores } from './classification.ts';

/**
 * Log probability of each position's label under softmax(logits).
 * @param logits [N, V] row by row; -Infinity shuts a token out
 * @throws ShapeError; ConfigError for labels outside the vocabulary and for rows without a softmax (NaN or Infinity, or
 * -Infinity alone)
 */
export const labelLogProbabilities = (logits: ArrayLike<number>, labels: Labels): Float64Array => {
  const size = logits.length / labels.length;
  if (!Number.isInteger(size) || size === 0) {
    throw new ShapeError(
      `labelLogProbabilities: expected logits of [labels, vocabulary] for ${labels.length} labels, got ${logits.length} values`,
    );
  }
  return Float64Array.from({ length: labels.length }, (_, i) => {
    const label = labels[i] ?? -1;
    if (!(Number.isInteger(label) && label >= 0 && label < size)) {
      throw new ConfigError(
        `labelLogProbabilities: expected labels from 0 to ${size - 1}, got ${label} at position ${i}`,
      );
    }
    let maximum = -Infinity;
    for (let v = 0; v < size; v += 1) maximum = Math.max(maximum, logits[i * size + v] ?? Number.NaN);
    let sum = 0;
    for (let v = 0; v < size; v += 1) sum += Math.exp((logits[i * size + v] ?? Number.NaN) - maximum);
    if (!(Number.isFinite(maximum) && Number.isFinite(sum))) {
      throw new ConfigError(
        `labelLogProbabilities: expected finite logits, got ${Number.isFinite(maximum) ? sum : maximum} at position ${i}; has the model diverged?`,
        { code: 'nan-score' },
      );
    }
    return (logits[i * size + label] ?? Number.NaN) - maximum - Math.log(sum);
  });
};

const checkLogProbabilities = (name: string, values: ArrayLike<number>): SampleScores => {
  const scores = meanScore(Float64Array.from(values));
  const bad = scores.perSample.findIndex((value) => !(value <= 1e-9));
  if (bad >= 0) {
    throw new ConfigError(
      `${name}: expected natural log probabilities (at most 0), got ${scores.perSample[bad]} at position ${bad}`,
    );
  }
  return scores;
};

/** exp of the mean negative log probability; a uniform guess over V tokens has perplexity V. */
export const perplexity = (logProbabilities: ArrayLike<number>): number =>
  Math.exp(-checkLogProbabilities('perplexity', logProbabilities).value);

/** Bits that the model needs for each byte of the text: comparable between tokenizers and with compressors. */
export const bitsPerByte = (logProbabilities: ArrayLike<number>, bytes: number): number => {
  if (!(bytes > 0)) {
    throw new ConfigError(`bitsPerByte: expected the number of UTF-8 bytes of the text, got ${bytes}`);
  }
  const { value, perSample } = checkLogProbabilities('bitsPerByte', logProbabilities);
  return (-value * perSample.length) / Math.LN2 / bytes;
};
