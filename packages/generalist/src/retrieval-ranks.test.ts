import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retrievalRanks } from './retrieval-ranks.ts';

describe('retrievalRanks', () => {
  it('ranks by hand where two pictures share a text', () => {
    // Pictures 0 and 2 show text 0, picture 1 shows text 1.
    const similarities = Float32Array.of(0.9, 0.1, 0.8, 0.7, 0.2, 0.6);
    const ranks = retrievalRanks(similarities, Int32Array.of(0, 1, 0), 2);
    // Picture 1: its text 1 has .7 against .8 for text 0. Picture 2: .2 against .6.
    expect(Array.from(ranks.texts)).toEqual([0, 1, 1]);
    // Text 0: .9 of picture 0 is the best of all. Text 1: .7 of picture 1 against .1 and .6.
    expect(Array.from(ranks.pictures)).toEqual([0, 0]);
  });

  it('gives a model for which all are equal no more than the first place by index', () => {
    const ranks = retrievalRanks(new Float32Array(9), Int32Array.of(0, 1, 2), 3);
    expect(Array.from(ranks.texts)).toEqual([0, 1, 2]);
    expect(Array.from(ranks.pictures)).toEqual([0, 1, 2]);
  });

  it('agrees with sorting', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 1000 }),
        (pictures, texts, seed) => {
          const owner = Int32Array.from({ length: pictures }, (_, i) => (i * 7 + seed) % texts);
          const values = Float32Array.from(
            { length: pictures * texts },
            (_, i) => ((i * 7919 + seed * 104729) % 11) / 11,
          );
          const ranks = retrievalRanks(values, owner, texts);
          owner.forEach((own, picture) => {
            const order = Array.from({ length: texts }, (_, text) => text).sort(
              (a, b) => (values[picture * texts + b] ?? 0) - (values[picture * texts + a] ?? 0) || a - b,
            );
            expect(ranks.texts[picture]).toBe(order.indexOf(own));
          });
          for (const text of new Set(owner)) {
            const order = Array.from({ length: pictures }, (_, picture) => picture).sort(
              (a, b) => (values[b * texts + text] ?? 0) - (values[a * texts + text] ?? 0) || a - b,
            );
            expect(ranks.pictures[text]).toBe(order.findIndex((picture) => owner[picture] === text));
          }
        },
      ),
    );
  });

  it('refuses similarities of a model that has diverged', () => {
    expect(() => retrievalRanks(Float32Array.of(Number.NaN), Int32Array.of(0), 1)).toThrow(
      'expected similarities that are numbers, got NaN; has the model diverged?',
    );
  });
});
