import { tokenF1 } from '@polygate/evaluation';
import { describe, expect, it } from 'vitest';
import { captionChance } from './caption-chance.ts';

// A random image, then one of its captions: "a cat" with 1/2, "a dog" and "two red birds" with 1/4 each.
const training = [['a cat'], ['a dog', 'two red birds'], []];
const references = [['a cat'], ['two red birds'], ['a dog', 'two birds']];

describe('captionChance', () => {
  it('is the expectation, whatever the seed', () => {
    // By words without articles: cat 1, 0, 0; dog 0, 0, 1; two red birds 0, 1, 4/5
    const expected = (1 / 2 + (1 / 4) * 1 + (1 / 4) * (1 + 4 / 5)) / 3;
    for (const seed of [1, 2, 3]) {
      expect(captionChance(training, references, { seed }).mean(tokenF1)).toBeCloseTo(expected, 12);
    }
  });

  it('of many captions is the mean of draws, near it and the same for one seed', () => {
    const { mean } = captionChance(training, references, { seed: 1, mostPairs: 8 });
    expect(mean(tokenF1)).toBe(mean(tokenF1));
    const exact = captionChance(training, references, { seed: 1 }).mean(tokenF1);
    // 500 draws of the three images
    const many = captionChance(
      [...training, ...Array.from({ length: 999 }, (_, i) => [`unlike ${i}`])],
      references,
      { seed: 1, mostPairs: 1500 },
    );
    expect(Math.abs(many.mean(tokenF1) - (exact * 2) / 1001)).toBeLessThan(0.005);
  });

  it('of BLEU is the mean over draws of the corpus', () => {
    const one = captionChance([['a b c d e']], [['a b c d e'], ['v w x y z']], { seed: 1 });
    // Both images get the only caption: four n-grams of 5 + 4 + 3 + 2 match in half of the corpus.
    expect(one.bleu4()).toBeCloseTo(0.5, 12);
  });
});
