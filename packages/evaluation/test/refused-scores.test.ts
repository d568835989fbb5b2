/** What has no score is refused by name: NaN is an error and not a miss, sizes are checked before they are allocated. */
import { ConfigError, ShapeError } from '@polygate/core';
import {
  accuracy,
  bleu,
  bootstrapInterval,
  chanceMacroF1,
  cider,
  confusionMatrix,
  fitRidge,
  holmAdjusted,
  labelLogProbabilities,
  macroF1,
  majorityBaseline,
  matthewsCorrelation,
  meanInterval,
  median,
  onePerImage,
  retrievalRecall,
  studentQuantile,
} from '@polygate/evaluation';
import { describe, expect, it } from 'vitest';

const captionsOf = (column: number) => ({ images: 1, imageOfText: [0], columnOfText: [column] });

describe('scores refuse', () => {
  it.each<readonly [string, () => unknown, new (message: string) => Error, string]>([
    [
      'columns without captions, at once',
      () => retrievalRecall([1], captionsOf(1e9)),
      ConfigError,
      'recall: expected a caption for every column, got none for column 0; leave it out',
    ],
    [
      'images without texts, at once',
      () => retrievalRecall([1], { images: 1e10, imageOfText: [0] }),
      ConfigError,
      'recall: expected a text for every image, got none for image 1; leave it out',
    ],
    [
      'columns between columns',
      () => retrievalRecall([1], captionsOf(0.5)),
      ConfigError,
      'recall: expected columns from 0, got 0.5 for text 0',
    ],
    [
      'recall at nothing',
      () => retrievalRecall([1], onePerImage(1), []),
      ConfigError,
      'recall: expected at least one k, got none; [1, 5, 10] is usual',
    ],
    [
      'confusion of more classes than a table holds',
      () => confusionMatrix([0], [0], 1e9),
      ConfigError,
      'confusionMatrix: classes: expected a whole number of 1 to 16384, got 1000000000',
    ],
    [
      'macro-F1 of NaN',
      () => macroF1([NaN, 1, 1, 1]),
      ConfigError,
      'confusion matrix: expected counts of 0 or more, got NaN for label 0 and prediction 0',
    ],
    [
      'the correlation of negative counts',
      () => matthewsCorrelation([1, -1, 1, 1]),
      ConfigError,
      'confusion matrix: expected counts of 0 or more, got -1 for label 0 and prediction 1',
    ],
    [
      'accuracy of NaN',
      () => accuracy([NaN, 1], [NaN, 1]),
      ConfigError,
      'accuracy: expected numbers, got NaN as prediction of sample 0',
    ],
    [
      'log probabilities of Infinity',
      () => labelLogProbabilities([Infinity, 0], [1]),
      ConfigError,
      'labelLogProbabilities: expected finite logits, got Infinity at position 0; has the model diverged?',
    ],
    [
      'log probabilities of -Infinity alone',
      () => labelLogProbabilities([0, 1, -Infinity, -Infinity], [0, 0]),
      ConfigError,
      'labelLogProbabilities: expected finite logits, got -Infinity at position 1',
    ],
    [
      'log probabilities of NaN',
      () => labelLogProbabilities([0, NaN], [0]),
      ConfigError,
      'labelLogProbabilities: expected finite logits, got NaN at position 0',
    ],
    [
      'chance of no labels',
      () => chanceMacroF1({ labels: [], classes: 3 }),
      ShapeError,
      'chanceMacroF1: expected at least one label, got none; is the split empty?',
    ],
    [
      'a majority of NaN',
      () => majorityBaseline([NaN], [1]),
      ConfigError,
      'majorityBaseline: expected training labels that are numbers, got NaN most often',
    ],
    [
      'BLEU of nothing',
      () => bleu([]),
      ShapeError,
      'bleu: expected at least one pair, got none; is the split empty?',
    ],
    [
      'the interval of NaN',
      () => bootstrapInterval([NaN, 1, 0], { seed: 1 }),
      ConfigError,
      'bootstrap: expected finite values, got NaN for sample 0; has the model diverged?',
    ],
    [
      'a seed of NaN',
      () => meanInterval([0.1, 0.2], { seed: NaN }),
      ConfigError,
      'bootstrap: expected a seed that is a number, got NaN; 1 is as good as any',
    ],
    [
      'groups of NaN',
      () => meanInterval([1, 0, 1], { seed: 1, groups: [NaN, NaN, 1] }),
      ConfigError,
      'bootstrap: expected groups that are numbers or texts, got NaN for sample 0',
    ],
    [
      'the median of NaN',
      () => median([1, NaN, 2]),
      ConfigError,
      'median: expected numbers, got NaN at position 1; leave it out',
    ],
    [
      'adjusting what is no probability',
      () => holmAdjusted([0.01, NaN, 2]),
      ConfigError,
      'holmAdjusted: expected probabilities of 0 to 1, got NaN at position 1',
    ],
    [
      "Student's distribution without freedom",
      () => studentQuantile(0.975, 0),
      ConfigError,
      'studentQuantile: expected degrees of freedom above 0, got 0',
    ],
    [
      'a share that no t has',
      () => studentQuantile(1, 5),
      ConfigError,
      'studentQuantile: expected a share of 0.5 up to 1, 1 itself left out, got 1',
    ],
    [
      'ridge regression on NaN',
      () => fitRidge({ features: Float64Array.of(1, NaN), targets: Float64Array.of(1, 1) }, { width: 1 }),
      ConfigError,
      'fitRidge: expected finite features, got NaN at position 1; leave that row out',
    ],
    [
      'ridge regression to infinity',
      () =>
        fitRidge({ features: Float64Array.of(1, 2), targets: Float64Array.of(1, Infinity) }, { width: 1 }),
      ConfigError,
      'fitRidge: expected finite targets, got Infinity at position 1; leave that row out',
    ],
    [
      'CIDEr of nothing',
      () => cider([]),
      ShapeError,
      'cider: expected at least one pair, got none; is the split empty?',
    ],
    [
      'macro-F1 of nothing',
      () => macroF1([0, 0, 0, 0]),
      ShapeError,
      'macroF1: expected at least one sample, got none; is the split empty?',
    ],
    [
      'the correlation of nothing',
      () => matthewsCorrelation([0, 0, 0, 0]),
      ShapeError,
      'matthewsCorrelation: expected at least one sample, got none; is the split empty?',
    ],
  ])('%s', (_, score, type, text) => {
    expect(score).toThrow(type);
    expect(score).toThrow(text);
  });
});
