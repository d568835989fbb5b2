/**
 * Calibration: whether a model is right as often as its probabilities say. N samples · C classes.
 *
 * Confidence is the largest probability of a row; a row whose best classes are equally good is right by 1 / their number.
 * The expected calibration error depends on the bins, so it is named with them; NLL and the Brier score need none, and are
 * proper: no other probabilities than the true ones have a better expectation.
 */
import { ConfigError, requireWhole, ShapeError } from '@polygate/core';
import { bestOfRows, classesOf, meanScore, type Labels, type SampleScores } from './classification.ts';

const MOST_BINS = 1e6;
/** Sums of float32 probabilities end this near to 1. */
const SLACK = 1e-3;

export interface CalibrationOptions {
  /** @default 15 */
  readonly bins?: number;
  /**
   * `width`: bins of equal width from 0 to 1 (Guo et al., 2017). `mass`: edges at quantiles of the confidences, so that bins
   * hold as many samples (Nguyen and O'Connor, 2015); equal confidences are never parted.
   * @default 'width'
   */
  readonly binning?: 'width' | 'mass';
}

/** Samples whose confidence is in [low, high); the last bin holds its upper edge too. */
export interface ReliabilityBin {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** Mean confidence; NaN in an empty bin. */
  readonly confidence: number;
  /** Share of right answers; NaN in an empty bin. */
  readonly accuracy: number;
}

export interface Calibration {
  /** ECE: mean over samples of |accuracy - confidence| of their bin. */
  readonly expectedError: number;
  /** MCE: the largest |accuracy - confidence| of a bin. */
  readonly maximumError: number;
  readonly table: readonly ReliabilityBin[];
}

/** Confidence and rightness of each sample: what a calibration error is made of. */
export interface Confidences {
  readonly confidence: Float64Array;
  readonly right: Float64Array;
}

/** @throws ShapeError; ConfigError for what is no probability and for labels outside the classes */
const checkProbabilities = (name: string, probabilities: ArrayLike<number>, labels: Labels): number => {
  const classes = classesOf(name, probabilities, labels);
  for (let i = 0; i < labels.length; i += 1) {
    let sum = 0;
    for (let c = 0; c < classes; c += 1) {
      const p = probabilities[i * classes + c] ?? Number.NaN;
      if (!(p >= 0 && p <= 1 + SLACK)) {
        throw new ConfigError(
          `${name}: expected probabilities from 0 to 1, got ${p} for class ${c} of sample ${i}; take the softmax of scores first`,
          { code: Number.isNaN(p) ? 'nan-score' : 'no-probability' },
        );
      }
      sum += p;
    }
    if (Math.abs(sum - 1) > SLACK) {
      throw new ConfigError(
        `${name}: expected probabilities that add up to 1, got ${sum} for sample ${i}; take the softmax of scores first`,
        { code: 'no-probability' },
      );
    }
    const label = labels[i] ?? Number.NaN;
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new ConfigError(
        `${name}: expected labels from 0 to ${classes - 1}, got ${label} for sample ${i}`,
      );
    }
  }
  return classes;
};

/**
 * Confidence and rightness of probabilities.
 * @param probabilities [N, C] row by row
 * @throws ShapeError; ConfigError for what is no probability and for labels outside the classes
 */
export const confidencesOf = (probabilities: ArrayLike<number>, labels: Labels): Confidences => {
  const classes = checkProbabilities('calibration', probabilities, labels);
  const best = bestOfRows('calibration', probabilities, classes);
  return {
    confidence: Float64Array.from(best, ([first = 0], i) => probabilities[i * classes + first] ?? Number.NaN),
    right: Float64Array.from(best, (tied, i) => (tied.includes(labels[i] ?? -1) ? 1 / tied.length : 0)),
  };
};

/** Value below which a share lies, between neighbours by their distance, as numpy's percentile. */
const percentile = (sorted: Float64Array, share: number): number => {
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0];
  return low + (at - Math.floor(at)) * (high - low);
};

const edgesOf = (confidence: Float64Array, bins: number, binning: 'width' | 'mass'): Float64Array => {
  const shares = Float64Array.from({ length: bins + 1 }, (_, i) => i / bins);
  if (binning === 'width') return shares;
  const sorted = Float64Array.from(confidence).sort();
  return shares.map((share) => percentile(sorted, share));
};

/** Calibration of {@link confidencesOf}. @throws ShapeError, ConfigError */
export const calibrationOf = (
  { confidence, right }: Confidences,
  options: CalibrationOptions = {},
): Calibration => {
  const { bins = 15, binning = 'width' } = options;
  requireWhole('calibration: bins', bins, { most: MOST_BINS });
  if (confidence.length === 0) {
    throw new ShapeError('calibration: expected at least one sample, got none; is the split empty?');
  }
  const edges = edgesOf(confidence, bins, binning);
  const [counts, confident, hits] = [new Int32Array(bins), new Float64Array(bins), new Float64Array(bins)];
  for (const [i, p] of confidence.entries()) {
    // The last bin whose lower edge is not above p.
    let [low, high] = [0, bins - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((edges[middle] ?? 0) <= p) low = middle;
      else high = middle - 1;
    }
    counts[low] = (counts[low] ?? 0) + 1;
    confident[low] = (confident[low] ?? 0) + p;
    hits[low] = (hits[low] ?? 0) + (right[i] ?? 0);
  }
  let [expectedError, maximumError] = [0, 0];
  const table = Array.from(counts, (count, bin): ReliabilityBin => {
    const [mean, accuracy] = [(confident[bin] ?? 0) / count, (hits[bin] ?? 0) / count];
    if (count > 0) {
      expectedError += (Math.abs(accuracy - mean) * count) / confidence.length;
      maximumError = Math.max(maximumError, Math.abs(accuracy - mean));
    }
    const [low = 0, high = 1] = edges.subarray(bin, bin + 2);
    return Object.freeze({ low, high, count, confidence: mean, accuracy });
  });
  return Object.freeze({ expectedError, maximumError, table: Object.freeze(table) });
};

/**
 * Calibration errors and the reliability table of predicted probabilities.
 * @param probabilities [N, C] row by row
 * @throws ShapeError; ConfigError for what is no probability and for labels outside the classes
 */
export const calibration = (
  probabilities: ArrayLike<number>,
  labels: Labels,
  options: CalibrationOptions = {},
): Calibration => calibrationOf(confidencesOf(probabilities, labels), options);

/**
 * Brier score (1950): the squared distance of probabilities and label, summed over all classes, 0 to 2; lower is better. Of
 * two classes it is twice what scikit-learn gives for the positive class alone.
 * @throws as {@link calibration}
 */
export const brierScore = (probabilities: ArrayLike<number>, labels: Labels): SampleScores => {
  const classes = checkProbabilities('brierScore', probabilities, labels);
  return meanScore(
    Float64Array.from({ length: labels.length }, (_, i) => {
      let sum = 0;
      for (let c = 0; c < classes; c += 1) {
        sum += ((probabilities[i * classes + c] ?? 0) - Number(labels[i] === c)) ** 2;
      }
      return sum;
    }),
  );
};

/** The least probability that a label is given, so that one miss of certainty is no infinite loss. */
const LEAST = 2 ** -52;

/**
 * Negative log likelihood of the labels in nats, as scikit-learn's `log_loss`: probabilities below 2^-52 count as that.
 * @throws as {@link calibration}
 */
export const negativeLogLikelihood = (probabilities: ArrayLike<number>, labels: Labels): SampleScores => {
  const classes = checkProbabilities('negativeLogLikelihood', probabilities, labels);
  return meanScore(
    Float64Array.from({ length: labels.length }, (_, i) => {
      const p = probabilities[i * classes + (labels[i] ?? 0)] ?? 0;
      return -Math.log(Math.min(1, Math.max(LEAST, p)));
    }),
  );
};
