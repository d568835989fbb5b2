import { ConfigError, createRandom, ShapeError } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chanceRecall } from './chance.ts';
import { onePerPicture, retrievalRecall } from './retrieval.ts';

describe('retrievalRecall', () => {
  it('counts a picture as found by any of its texts, and each text as a query', () => {
    // Pictures A, B; texts 0, 1 of A and 2 of B.
    //        t0   t1   t2
    //   A   0.1  0.8  0.9    order t2 t1 t0: best own text is t1, rank 1
    //   B   0.2  0.3  0.7    order t2 t1 t0: own text t2, rank 0
    // t0: B before A: rank 1. t1: A first: 0. t2: A before B: rank 1.
    const scores = retrievalRecall(
      [0.1, 0.8, 0.9, 0.2, 0.3, 0.7],
      { pictureOfText: [0, 0, 1], pictures: 2 },
      [1, 2],
    );
    expect([...scores.textRanks]).toEqual([1, 0]);
    expect([...scores.pictureRanks]).toEqual([1, 0, 1]);
    expect(scores.pictureToText.get(1)?.value).toBe(0.5);
    expect(scores.textToPicture.get(1)?.value).toBeCloseTo(1 / 3, 12);
    expect(scores.pictureToText.get(2)?.value).toBe(1);
    expect(scores.textToPicture.get(2)?.value).toBe(1);
    // (1/2 + 1 + 1/3 + 1) / 4
    expect(scores.mean).toBeCloseTo(17 / 24, 12);
  });

  it.each([1, 7, 99, 100, 101, 250])('ranks all of %i queries', (n) => {
    const identity = Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
    const scores = retrievalRecall(identity, onePerPicture(n));
    expect(scores.mean).toBe(1);
    expect(scores.pictureToText.get(1)?.perSample.length).toBe(n);
    expect(scores.textToPicture.get(10)?.perSample.length).toBe(n);
  });

  it('gives a collapsed model chance, not everything', () => {
    const scores = retrievalRecall(new Float32Array(2500), onePerPicture(50));
    expect(scores.pictureToText.get(1)?.value).toBeCloseTo(chanceRecall(50, 1), 12);
    expect(scores.textToPicture.get(5)?.value).toBeCloseTo(chanceRecall(50, 5), 12);
  });

  it('agrees with sorting each row and column', () => {
    const size = fc.integer({ min: 1, max: 6 });
    fc.assert(
      fc.property(size, fc.array(fc.nat(), { maxLength: 6 }), fc.integer(), (pictures, extra, seed) => {
        const pictureOfText = [
          ...Array.from({ length: pictures }, (_, i) => i),
          ...extra.map((e) => e % pictures),
        ];
        const texts = pictureOfText.length;
        const random = createRandom(seed);
        const matrix = Array.from({ length: pictures }, () =>
          Array.from({ length: texts }, () => random.integer(5)),
        );
        const scores = retrievalRecall(matrix.flat(), { pictureOfText, pictures });
        for (let i = 0; i < pictures; i += 1) {
          const order = [...pictureOfText.keys()].sort(
            (a, b) => (matrix[i]?.[b] ?? 0) - (matrix[i]?.[a] ?? 0),
          );
          expect(scores.textRanks[i]).toBe(order.findIndex((t) => pictureOfText[t] === i));
        }
        for (let t = 0; t < texts; t += 1) {
          const order = [...matrix.keys()].sort((a, b) => (matrix[b]?.[t] ?? 0) - (matrix[a]?.[t] ?? 0));
          expect(scores.pictureRanks[t]).toBe(order.indexOf(pictureOfText[t] ?? -1));
        }
      }),
    );
  });

  it('refuses wrong sizes, pictures without a text, and NaN', () => {
    expect(() => retrievalRecall([1, 2, 3], onePerPicture(2))).toThrow(ShapeError);
    expect(() => retrievalRecall([1, 2, 3], onePerPicture(2))).toThrow(
      '[2 pictures, 2 texts] = 4 values, got 3',
    );
    expect(() => retrievalRecall([], onePerPicture(0))).toThrow(ShapeError);
    expect(() => retrievalRecall([1, 2], { pictureOfText: [0], pictures: 2 })).toThrow(
      'expected a text for every picture, got none for picture 1; leave it out',
    );
    expect(() => retrievalRecall([1, 2], { pictureOfText: [0, 1], pictures: 1 })).toThrow(
      'expected pictures from 0 to 0, got 1 for text 1',
    );
    expect(() => retrievalRecall([1, Number.NaN, 0, 0], onePerPicture(2))).toThrow(ConfigError);
  });
});
