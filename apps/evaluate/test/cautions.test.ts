/** What is said of scores that say little. */
import { classScores, confusionMatrix, type ScoreReport } from '@polygate/evaluation';
import { expect, it } from 'vitest';
import { cautionsOf } from '../src/cautions.ts';

/** Reports on labels and answers among three classes. */
const reports = (labels: readonly number[], answers: readonly number[]): readonly ScoreReport[] => {
  const score: ScoreReport = {
    task: 'pets',
    split: 'test',
    metric: 'top-1',
    better: 'higher',
    value: 0.5,
    interval: [0, 1],
    confidence: 0.95,
    chance: 1 / 3,
    baselines: {},
    count: labels.length,
  };
  const classes = classScores(confusionMatrix(answers, labels, 3)).map((row, i) => ({
    ...row,
    name: ['cat', 'dog', 'emu'][i] ?? '',
    auroc: null,
    averagePrecision: null,
  }));
  return [score, { ...score, metric: 'balanced accuracy', detail: true, tables: { classes } }];
};

it('one answer to all samples is named, with how many it is right for', () => {
  const labels = [0, 1, 1, 2, 0, 1, 2, 2];
  expect(cautionsOf(reports(labels, [1, 1, 1, 1, 1, 1, 1, 1]))).toEqual([
    'pets, test: the answer to all 8 samples is "dog", which is right for 3: the model tells none of the 3 classes from another; train it longer, at another rate, or on classes of more equal sizes',
  ]);
  // Two answers tell classes apart, and of samples of one class one answer is right.
  expect(cautionsOf(reports(labels, [1, 1, 0, 1, 1, 1, 1, 1]))).toEqual([]);
  expect(cautionsOf(reports(Array(8).fill(1) as number[], Array(8).fill(1) as number[]))).toEqual([]);
  // Of few samples all may have one answer by chance.
  expect(cautionsOf(reports([0, 1, 2], [1, 1, 1]))).toEqual([]);
});

it('one sample is told of once', () => {
  expect(cautionsOf(reports([0], [1]))).toEqual([
    'pets, test: scores of one sample say nothing of others; hold out more (validationPercent and testPercent of a source, or more samples of that split)',
  ]);
});
