import { describe, expect, it } from 'vitest';
import type { ScoredMetric } from './experiment.ts';
import type { RunResult } from './results.ts';
import { halfInterval, normalisedScore, partnerOf, scoreOf, spreadOf } from './statistics.ts';

const metrics: readonly ScoredMetric[] = [
  { task: 'digits', metric: 'accuracy', label: 'digits', better: 'higher' },
  { task: 'words', metric: 'perplexity', label: 'words', better: 'lower' },
  { task: 'words', metric: 'accuracy', label: 'words', better: 'higher', normalised: false },
];

const run = (variant: string, seed: number, scores: RunResult['scores']): RunResult => ({
  variant,
  seed,
  key: `${variant}-${seed}`,
  commit: 'abc',
  scores,
  price: { trainStepMs: 1, inferenceMs: 1, peakMegabytes: 1, parameters: 1 },
  hours: 1,
});

describe('spreadOf', () => {
  it('gives mean and sample deviation', () => {
    // mean 4, squares 4 + 0 + 4 = 8, deviation sqrt(8 / 2) = 2
    expect(spreadOf([2, 4, 6])).toEqual({ mean: 4, deviation: 2, count: 3 });
    expect(spreadOf([5])).toMatchObject({ mean: 5, deviation: NaN });
  });

  it('widens the interval by Student’s quantile', () => {
    // two degrees of freedom: 4.303 * 2 / sqrt(3)
    expect(halfInterval({ mean: 4, deviation: 2, count: 3 })).toBeCloseTo(4.9687, 3);
    // t of 19 degrees of freedom: 2.09302.
    expect(halfInterval({ mean: 4, deviation: 1, count: 20 })).toBeCloseTo(2.09302 / Math.sqrt(20), 5);
    expect(halfInterval({ mean: 4, deviation: NaN, count: 1 })).toBeNaN();
  });
});

describe('normalisedScore', () => {
  const dense = run('dense', 1, { digits: { accuracy: 0.8 }, words: { perplexity: 50, accuracy: 0.1 } });

  it('is the mean relative improvement of the normalised metrics, perplexity turned round', () => {
    const result = run('own', 1, { digits: { accuracy: 0.88 }, words: { perplexity: 40, accuracy: 0.5 } });
    // (0.08 / 0.8 + 10 / 50) / 2 = (0.1 + 0.2) / 2; the accuracy of words is not normalised
    expect(normalisedScore(result, dense, metrics)).toBeCloseTo(0.15, 12);
    expect(normalisedScore(dense, dense, metrics)).toBe(0);
  });

  it('says which score or partner is missing', () => {
    const result = run('own', 1, { digits: { accuracy: 0.88 } });
    expect(() => normalisedScore(result, dense, metrics)).toThrow(
      'statistics: expected a score "perplexity" of task "words" in run own, seed 1, got none; run the experiment again',
    );
    expect(() => partnerOf(run('own', 2, {}), [dense], 'dense')).toThrow(
      /expected a run of "dense" with seed 2 to compare with, got none; finish the experiment first/u,
    );
    expect(scoreOf(dense, { task: 'words', metric: 'accuracy' })).toBe(0.1);
  });
});
