/**
 * A linear probe: multinomial logistic regression on frozen embeddings, as encoders are judged (Chen et al., 2020; Radford
 * et al., 2021). N rows · C classes · D values.
 *
 * It minimises sum over rows of -log p(label) + |W|^2 / (2 strength), the offsets free, which is scikit-learn's
 * `LogisticRegression(C=strength)`; L-BFGS starts at zero, so the same rows give the same probe.
 */
import { ConfigError, requireNumber } from '@polygate/core';
import { argmaxRows } from './classification.ts';
import {
  countEmbeddings,
  countLabelled,
  requireSameWidth,
  type Embeddings,
  type LabelledEmbeddings,
} from './embeddings.ts';
import { minimize } from './lbfgs.ts';

export interface LinearProbeOptions {
  readonly classes: number;
  /** Inverse of the penalty on the weights, above 0. @default 1 */
  readonly strength?: number;
  /** @default 1000 */
  readonly iterations?: number;
  /** Largest component of the mean gradient where it ends. @default 1e-6 */
  readonly tolerance?: number;
}

export interface LinearProbe {
  readonly classes: number;
  readonly width: number;
  /** [C, D] row by row. */
  readonly weights: Float64Array;
  /** [C] */
  readonly offsets: Float64Array;
  readonly iterations: number;
  readonly converged: boolean;
}

/** Logits of rows, float64 [N, C]. */
const logitsOf = (
  values: ArrayLike<number>,
  { weights, offsets, width, classes }: Pick<LinearProbe, 'weights' | 'offsets' | 'width' | 'classes'>,
): Float64Array => {
  const rows = values.length / width;
  const logits = new Float64Array(rows * classes);
  for (let i = 0; i < rows; i += 1) {
    for (let c = 0; c < classes; c += 1) {
      let sum = offsets[c] as number;
      for (let d = 0; d < width; d += 1) {
        sum += (values[i * width + d] as number) * (weights[c * width + d] as number);
      }
      logits[i * classes + c] = sum;
    }
  }
  return logits;
};

/** Turns logits into probabilities in place. @returns log of the sum of each row's exponentials, summed over rows */
const softmaxInPlace = (logits: Float64Array, classes: number): number => {
  let normalizers = 0;
  for (let start = 0; start < logits.length; start += classes) {
    const row = logits.subarray(start, start + classes);
    const most = row.reduce((best, value) => Math.max(best, value), Number.NEGATIVE_INFINITY);
    let sum = 0;
    for (let c = 0; c < classes; c += 1) {
      row[c] = Math.exp((row[c] as number) - most);
      sum += row[c] as number;
    }
    for (let c = 0; c < classes; c += 1) row[c] = (row[c] as number) / sum;
    normalizers += most + Math.log(sum);
  }
  return normalizers;
};

/**
 * Fits a probe.
 * @throws ShapeError; ConfigError for labels outside the classes, values that are not finite, one class alone, and a
 * strength that is not above 0
 */
export const fitLinearProbe = (train: LabelledEmbeddings, options: LinearProbeOptions): LinearProbe => {
  const { classes, strength = 1, iterations = 1000, tolerance = 1e-6 } = options;
  const rows = countLabelled('linear probe', train, classes);
  requireNumber('linear probe: strength', strength, { least: Number.MIN_VALUE, most: 1e12 });
  const { width, labels } = train;
  const values = Float64Array.from(train.values);
  if (new Set(Array.from(labels)).size < 2) {
    throw new ConfigError(
      `linear probe: expected rows of two classes or more, got ${rows} of class ${labels[0]}; there is nothing to tell apart`,
      { code: 'one-class' },
    );
  }
  const cut = (point: Float64Array) => ({
    weights: point.subarray(0, classes * width),
    offsets: point.subarray(classes * width),
    width,
    classes,
  });
  const penalty = 1 / (strength * rows);
  const { point, ...end } = minimize(
    (at, gradient) => {
      const { weights } = cut(at);
      const logits = logitsOf(values, cut(at));
      let right = 0;
      for (let i = 0; i < rows; i += 1) right += logits[i * classes + (labels[i] as number)] as number;
      let loss = softmaxInPlace(logits, classes) - right;
      const slopes = cut(gradient);
      gradient.fill(0);
      for (let i = 0; i < rows; i += 1) {
        for (let c = 0; c < classes; c += 1) {
          const error = ((logits[i * classes + c] as number) - Number(labels[i] === c)) / rows;
          slopes.offsets[c] = (slopes.offsets[c] as number) + error;
          for (let d = 0; d < width; d += 1) {
            const w = c * width + d;
            slopes.weights[w] = (slopes.weights[w] as number) + error * (values[i * width + d] as number);
          }
        }
      }
      loss /= rows;
      for (const [w, weight] of weights.entries()) {
        loss += (penalty * weight * weight) / 2;
        slopes.weights[w] = (slopes.weights[w] as number) + penalty * weight;
      }
      return loss;
    },
    new Float64Array(classes * (width + 1)),
    { iterations, tolerance },
  );
  return Object.freeze({ ...cut(point), iterations: end.iterations, converged: end.converged });
};

/** Probabilities of the classes for each row, float64 [N, C]. @throws ShapeError for another width, ConfigError */
export const probeProbabilities = (probe: LinearProbe, queries: Embeddings): Float64Array => {
  countEmbeddings('linear probe', queries);
  requireSameWidth('linear probe', probe, queries);
  const logits = logitsOf(queries.values, probe);
  softmaxInPlace(logits, probe.classes);
  return logits;
};

/**
 * The strength whose probe is right most often on rows that it was not fitted to; of equally good ones the least, which
 * penalises most.
 * @param options `strengths`: one or more, in any order
 */
export const chooseStrength = (
  train: LabelledEmbeddings,
  validation: LabelledEmbeddings,
  options: Omit<LinearProbeOptions, 'strength'> & { readonly strengths: readonly number[] },
): number => {
  const { strengths, ...fit } = options;
  countLabelled('linear probe', validation, fit.classes);
  let best: readonly [strength: number, hits: number] | undefined;
  for (const strength of [...strengths].sort((a, b) => a - b)) {
    const predicted = argmaxRows(
      probeProbabilities(fitLinearProbe(train, { ...fit, strength }), validation),
      fit.classes,
    );
    const hits = predicted.filter((label, i) => label === validation.labels[i]).length;
    if (!best || hits > best[1]) best = [strength, hits];
  }
  if (best) return best[0];
  throw new ConfigError('linear probe: expected one strength or more, got none; 1 is usual');
};
