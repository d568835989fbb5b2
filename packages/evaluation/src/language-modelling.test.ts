import { describe, expect, it } from 'vitest';
import { bitsPerByte, labelLogProbabilities, perplexity } from './language-modelling.ts';

describe('labelLogProbabilities', () => {
  it('are those of the softmax, also for large logits', () => {
    // softmax(0, ln 3) = 1/4, 3/4; a common offset of 1000 changes nothing.
    const log = labelLogProbabilities([0, Math.log(3), 1000, 1000 + Math.log(3)], [1, 0]);
    expect(log[0]).toBeCloseTo(Math.log(0.75), 12);
    expect(log[1]).toBeCloseTo(Math.log(0.25), 10);
  });

  it('refuse labels outside the vocabulary and wrong sizes', () => {
    expect(() => labelLogProbabilities([0, 1], [2])).toThrow(
      'expected labels from 0 to 1, got 2 at position 0',
    );
    expect(() => labelLogProbabilities([0, 1, 2], [0, 1])).toThrow('for 2 labels, got 3 values');
  });
});

describe('perplexity and bits per byte', () => {
  it('of a uniform guess over 8 tokens are 8, and 3 bits a token', () => {
    const uniform = new Float64Array(10).fill(Math.log(1 / 8));
    expect(perplexity(uniform)).toBeCloseTo(8, 12);
    // 10 tokens of 3 bits over 15 bytes.
    expect(bitsPerByte(uniform, 15)).toBeCloseTo(2, 12);
  });

  it('average in the exponent: 1/2 and 1/8 give 4', () => {
    expect(perplexity([Math.log(1 / 2), Math.log(1 / 8)])).toBeCloseTo(4, 12);
  });

  it('refuse what are no log probabilities', () => {
    expect(() => perplexity([-1, 0.5])).toThrow(
      'expected natural log probabilities (at most 0), got 0.5 at position 1',
    );
    expect(() => perplexity([Number.NaN])).toThrow('got NaN at position 0');
    expect(() => bitsPerByte([-1], 0)).toThrow('expected the number of UTF-8 bytes of the text, got 0');
  });
});
