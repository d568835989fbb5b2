import { describe, expect, it } from 'vitest';
import { naiveBayesLabels } from './naive-bayes.ts';

// Class 0 has tokens 0 0 1 in two texts, class 1 has 1 2 in one; three tokens, so with Laplace
// p(0|0) = 3/6, p(1|0) = 2/6, p(2|0) = 1/6 and p(0|1) = 1/5, p(1|1) = 2/5, p(2|1) = 2/5; priors 2/3 and 1/3.
const train = { tokens: [[0, 0], [1], [1, 2]], labels: [0, 0, 1] };
const labels = (texts: readonly number[][]) => [...naiveBayesLabels(train, texts, { classes: 2, size: 3 })];

describe('naiveBayesLabels', () => {
  it('multiplies the prior with the shares of the tokens', () => {
    // [1]: 2/3 * 2/6 = 10/45 against 1/3 * 2/5 = 6/45. [1, 2]: 2/3 * 2/6 * 1/6 = .037 against 1/3 * 2/5 * 2/5 = .053.
    expect(labels([[1], [1, 2], [2], []])).toEqual([0, 1, 1, 0]);
  });

  it('never answers a class that was not trained, and refuses labels without texts', () => {
    expect([...naiveBayesLabels(train, [[2, 2]], { classes: 3, size: 3 })]).toEqual([1]);
    expect(() => naiveBayesLabels({ tokens: [], labels: [1] }, [], { classes: 2, size: 3 })).toThrow(
      'got 1 labels and 0 texts',
    );
  });
});
