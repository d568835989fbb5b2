import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  chanceMacroF1,
  chanceRecall,
  chanceTopK,
  majorityBaseline,
  mostFrequentCaption,
  unigramBaseline,
} from './chance.ts';
import { bitsPerByte, perplexity } from './language-modelling.ts';

describe('chance', () => {
  it('of top-k is k of the classes', () => {
    expect(chanceTopK({ classes: 10 })).toBe(0.1);
    expect(chanceTopK({ k: 1, classes: 4 })).toBe(0.25);
    expect(chanceTopK({ k: 5, classes: 8 })).toBe(0.625);
    expect(chanceTopK({ k: 5, classes: 3 })).toBe(1);
  });

  it('of recall is that of drawing without putting back', () => {
    expect(chanceRecall({ gallery: 1000, k: 10 })).toBeCloseTo(0.01, 12);
    // Two draws from four with two right ones: 1 - 2/4 * 1/3.
    expect(chanceRecall({ gallery: 4, k: 2, relevant: 2 })).toBeCloseTo(5 / 6, 12);
    expect(chanceRecall({ gallery: 3, k: 10 })).toBe(1);
    // Five captions of each of 18 images: 1 - 85/90; with ten draws 1 - (85 ... 76) / (90 ... 81).
    expect(chanceRecall({ gallery: 90, relevant: 5, k: 1 })).toBeCloseTo(1 / 18, 12);
    expect(chanceRecall({ gallery: 90, relevant: 5, k: 10 })).toBeCloseTo(
      1 - (80 * 79 * 78 * 77 * 76) / (90 * 89 * 88 * 87 * 86),
      12,
    );
  });

  it('of recall is the share of subsets with a right one', () => {
    const sizes = fc.record({
      gallery: fc.integer({ min: 1, max: 8 }),
      k: fc.integer({ min: 1, max: 9 }),
      relevant: fc.integer({ min: 1, max: 8 }),
    });
    fc.assert(
      fc.property(sizes, ({ gallery, k, relevant }) => {
        fc.pre(relevant <= gallery);
        let [all, hits] = [0, 0];
        for (let subset = 0; subset < 1 << gallery; subset += 1) {
          const bits = [...subset.toString(2)].filter((bit) => bit === '1').length;
          if (bits !== Math.min(k, gallery)) continue;
          all += 1;
          if ((subset & ((1 << relevant) - 1)) !== 0) hits += 1;
        }
        expect(chanceRecall({ gallery, k, relevant })).toBeCloseTo(hits / all, 12);
      }),
    );
  });

  it('of macro-F1 takes the counts of a guess at their means', () => {
    // Two classes, three of four in the first: 2 * 1.5 / (3 + 2) and 2 * 0.5 / (1 + 2).
    expect(chanceMacroF1({ labels: [0, 0, 0, 1], classes: 2 })).toBeCloseTo((3 / 5 + 1 / 3) / 2, 12);
    expect(() => chanceMacroF1({ labels: [2], classes: 2 })).toThrow(
      'labels from 0 to 1, got 2 for sample 0',
    );
  });

  it('takes numbers by name only, whole and from 1', () => {
    expect(() => chanceTopK(1 as never)).toThrow(
      'chanceTopK: expected options by name, { k, classes }, got 1',
    );
    expect(() => chanceRecall(90 as never)).toThrow(
      'expected options by name, { k, gallery, relevant }, got 90',
    );
    expect(() => chanceTopK({ classes: 0 })).toThrow(
      'expected a whole number classes from 1 in { k, classes }, got 0',
    );
    expect(() => chanceTopK({ classes: 2.5 })).toThrow('got 2.5');
    expect(() => chanceTopK({ k: 0, classes: 2 })).toThrow('expected a whole number k from 1');
    expect(() => chanceTopK({ classes: Number.NaN })).toThrow('got NaN');
    expect(() => chanceTopK({ clases: 3 } as never)).toThrow('unknown option of chanceTopK "clases"');
    expect(() => chanceRecall({ gallery: 3 } as never)).toThrow('expected a whole number k from 1');
    expect(() => chanceRecall({ gallery: 3, k: 1, relevant: 4 })).toThrow(
      'expected at most as many relevant as the gallery of 3 holds, got 4',
    );
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
