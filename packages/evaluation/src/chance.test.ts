import { describe, expect, it } from 'vitest';
import {
  chanceRecall,
  chanceTopK,
  majorityBaseline,
  mostFrequentCaption,
  unigramBaseline,
} from './chance.ts';
import { bitsPerByte, perplexity } from './language-modelling.ts';

describe('chance', () => {
  it('of top-k is k of the classes', () => {
    expect(chanceTopK(10)).toBe(0.1);
    expect(chanceTopK(8, 5)).toBe(0.625);
    expect(chanceTopK(3, 5)).toBe(1);
    expect(() => chanceTopK(0)).toThrow('expected positive classes and k, got 0 and 1');
  });

  it('of recall is that of drawing without putting back', () => {
    expect(chanceRecall(1000, 10)).toBeCloseTo(0.01, 12);
    // Two draws from four with two right ones: 1 - 2/4 * 1/3.
    expect(chanceRecall(4, 2, 2)).toBeCloseTo(5 / 6, 12);
    expect(chanceRecall(3, 10)).toBe(1);
    expect(() => chanceRecall(3, 1, 4)).toThrow('1 to 3 relevant of the gallery, got k 1 and 4');
  });
});

describe('baselines', () => {
  it('answer the most frequent training label or caption, the first of equal ones', () => {
    const baseline = majorityBaseline([2, 1, 1, 2, 0], [1, 2, 2, 2]);
    expect(baseline.label).toBe(2);
    expect(baseline.value).toBe(0.75);
    expect([...baseline.perSample]).toEqual([0, 1, 1, 1]);
    expect(mostFrequentCaption(['a cat', 'a dog', 'a dog'])).toBe('a dog');
    expect(() => mostFrequentCaption([])).toThrow('expected at least one training value, got none');
  });

  it('predict tokens by their smoothed frequency', () => {
    // Counts 3, 1, 0 plus one each: 4/7, 2/7, 1/7.
    const baseline = unigramBaseline([0, 0, 1, 0], [0, 2], { size: 3 });
    expect(baseline.token).toBe(0);
    expect(baseline.accuracy.value).toBe(0.5);
    // sqrt(7/4 * 7/1); bits: log2(7/4) + log2(7) over 4 bytes.
    expect(perplexity(baseline.logProbabilities)).toBeCloseTo(7 / 2, 12);
    expect(bitsPerByte(baseline.logProbabilities, 4)).toBeCloseTo(Math.log2(49 / 4) / 4, 12);
    expect(() => unigramBaseline([3], [0], { size: 3 })).toThrow('expected tokens from 0 to 2, got 3');
  });
});
