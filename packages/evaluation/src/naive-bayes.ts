/** Multinomial naive Bayes over tokens: the baseline that a text classifier must beat. */
import { ShapeError } from '@polygate/core';

/** Texts as token ids, each with its class. */
export interface LabelledTokens {
  readonly tokens: readonly ArrayLike<number>[];
  readonly labels: readonly number[];
}

export interface NaiveBayesOptions {
  readonly classes: number;
  /** Number of different tokens. */
  readonly size: number;
  /** Added to each count (Laplace). @default 1 */
  readonly smoothing?: number;
}

/**
 * The likeliest class of each text: log p(class) + sum of log p(token | class), counted in the training texts with
 * smoothing. Of equally likely classes the first; a class without a training text is never answered. As scikit-learn's
 * MultinomialNB on counts.
 * @throws ShapeError for labels of another number than texts, or training without a text
 */
export const naiveBayesLabels = (
  train: LabelledTokens,
  texts: readonly ArrayLike<number>[],
  { classes, size, smoothing = 1 }: NaiveBayesOptions,
): Int32Array => {
  if (train.tokens.length !== train.labels.length || train.labels.length === 0) {
    throw new ShapeError(
      `naiveBayesLabels: expected one label for each of one training text or more, got ${train.labels.length} labels and ${train.tokens.length} texts`,
    );
  }
  const counts = Array.from({ length: classes }, () => new Float64Array(size));
  const totals = new Float64Array(classes);
  const priors = new Float64Array(classes);
  train.tokens.forEach((tokens, i) => {
    const label = train.labels[i] ?? 0;
    priors[label] = (priors[label] ?? 0) + 1;
    for (let t = 0; t < tokens.length; t += 1) {
      const id = tokens[t] ?? 0;
      const row = counts[label];
      if (row) row[id] = (row[id] ?? 0) + 1;
      totals[label] = (totals[label] ?? 0) + 1;
    }
  });
  return Int32Array.from(texts, (tokens) => {
    let best = 0;
    let most = Number.NEGATIVE_INFINITY;
    for (let label = 0; label < classes; label += 1) {
      const total = (totals[label] ?? 0) + smoothing * size;
      let score = Math.log((priors[label] ?? 0) / train.labels.length);
      for (let t = 0; t < tokens.length; t += 1) {
        score += Math.log(((counts[label]?.[tokens[t] ?? 0] ?? 0) + smoothing) / total);
      }
      if (score > most) {
        most = score;
        best = label;
      }
    }
    return best;
  });
};
