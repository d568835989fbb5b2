import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseSubset, type SubsetCandidate, type SubsetUnit } from './subset-rule.ts';

const labelled = (sizes: readonly number[]): SubsetCandidate[] =>
  sizes.flatMap((size, label) => Array.from({ length: size }, (_, i) => ({ id: `${label}/${i}`, label })));

const choose = (
  candidates: readonly SubsetCandidate[],
  rule: { readonly share?: number; readonly perClass?: number; readonly seed?: number },
  unit: SubsetUnit = 'classes',
) =>
  chooseSubset(candidates, { seed: 1, ...rule }, { name: 'images, train', unit, classes: ['a', 'b', 'c'] });

const countsOf = (candidates: readonly SubsetCandidate[], rows: readonly number[]): number[] =>
  [0, 1, 2].map((label) => rows.filter((row) => candidates[row]?.label === label).length);

describe('a subset', () => {
  it('has of each class int(share * n) + 1 samples, as published', () => {
    // ImageNet's classes have 732 to 1300 images: int(7.32) + 1, int(13) + 1; of 29 images, int(0.29) + 1.
    const candidates = labelled([732, 1300, 29]);
    expect(countsOf(candidates, choose(candidates, { share: 0.01 }).rows)).toEqual([8, 14, 1]);
    // 0.29 * 100 is 28.999... in double precision, where the published code has it, too; of all, no more than all.
    const hundred = labelled([100, 100, 1]);
    expect(countsOf(hundred, choose(hundred, { share: 0.29 }).rows)).toEqual([29, 29, 1]);
    expect(countsOf(hundred, choose(hundred, { share: 1 }).rows)).toEqual([100, 100, 1]);
  });

  it('has k samples of each class', () => {
    const candidates = labelled([9, 5, 7]);
    expect(countsOf(candidates, choose(candidates, { perClass: 5 }).rows)).toEqual([5, 5, 5]);
  });

  it('has a share of samples without classes, with all that belongs to them', () => {
    const images = Array.from({ length: 29_000 / 100 }, (_, i) => ({ id: `${i}`, captions: 5 }));
    const chosen = choose(images, { share: 0.1 }, 'samples');
    expect(chosen.rows).toHaveLength(29);
    expect(chosen.captions).toBeUndefined();
    expect(choose(images, { share: 0.001 }, 'samples').rows).toHaveLength(1);
  });

  it('has a share of the pairs of clip and caption, whose other captions are left out', () => {
    // 48 clips of 40 captions each: 1 % of 1920 pairs.
    const clips = Array.from({ length: 48 }, (_, i) => ({ id: `${i}`, captions: 40 }));
    const { rows, captions = [] } = choose(clips, { share: 0.01 }, 'captions');
    expect(captions.flat()).toHaveLength(19);
    expect(captions).toHaveLength(rows.length);
    expect(rows).toEqual([...rows].sort((a, b) => a - b));
    expect(captions.flat().every((caption) => caption >= 0 && caption < 40)).toBe(true);
  });

  it('is evenly drawn: no row is taken more often than others over seeds', () => {
    const candidates = labelled([20, 20, 20]);
    const times = new Array<number>(60).fill(0);
    for (let seed = 0; seed < 400; seed += 1)
      for (const row of choose(candidates, { perClass: 5, seed }).rows) times[row] = (times[row] ?? 0) + 1;
    // Each is taken with probability 1/4: 100 of 400, deviation sqrt(400 * 0.25 * 0.75) = 8.7; five of them.
    expect(times.every((count) => Math.abs(count - 100) < 44)).toBe(true);
  });

  it('is the same samples in whatever order they come, and a part of the larger ones of its seed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 3, maxLength: 3 }),
        fc.nat(),
        fc.integer({ min: 1, max: 99 }),
        (sizes, seed, percent) => {
          const candidates = labelled(sizes);
          const share = percent / 100;
          const shuffled =
            fc.sample(fc.shuffledSubarray(candidates, { minLength: candidates.length }), {
              numRuns: 1,
              seed,
            })[0] ?? [];
          for (const unit of ['classes', 'samples'] as const) {
            const ids = (from: readonly SubsetCandidate[], part: number) =>
              new Set(choose(from, { share: part, seed }, unit).rows.map((row) => from[row]?.id));
            const small = ids(candidates, share);
            expect(ids(shuffled, share)).toEqual(small);
            const large = ids(candidates, Math.min(1, share * 2));
            expect([...small].every((id) => large.has(id))).toBe(true);
          }
        },
      ),
    );
  });

  it('says what it can not be', () => {
    expect(() => choose(labelled([3, 2, 4]), { perClass: 3 })).toThrow(
      'subset of images, train: expected 3 samples of each class, got 2 of class "b"; choose perClass of at most 2',
    );
    expect(() => choose(labelled([3, 2]), { share: 0.5 })).toThrow(
      'subset of images, train: expected samples of every class, got none of class "c"; prepare the data without that class, or give a list of the samples to learn from (subset.list)',
    );
    expect(() => choose([{ id: 'a' }], { perClass: 1 }, 'samples')).toThrow(
      'expected a dataset with classes for perClass, got one without; choose a share of it',
    );
    expect(() => choose([], { share: 0.5 })).toThrow('expected samples to choose from, got none');
  });
});
