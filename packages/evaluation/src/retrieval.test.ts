import { ConfigError, createRandom, ShapeError } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chanceRecall } from './chance.ts';
import { onePerImage, retrievalRecall } from './retrieval.ts';

describe('retrievalRecall', () => {
  it('counts an image as found by any of its texts, and each text as a query', () => {
    // Images A, B; texts 0, 1 of A and 2 of B.
    //        t0   t1   t2
    //   A   0.1  0.8  0.9    order t2 t1 t0: best own text is t1, rank 1
    //   B   0.2  0.3  0.7    order t2 t1 t0: own text t2, rank 0
    // t0: B before A: rank 1. t1: A first: 0. t2: A before B: rank 1.
    const scores = retrievalRecall(
      [0.1, 0.8, 0.9, 0.2, 0.3, 0.7],
      { imageOfText: [0, 0, 1], images: 2 },
      [1, 2],
    );
    expect([...scores.textRanks]).toEqual([1, 0]);
    expect([...scores.imageRanks]).toEqual([1, 0, 1]);
    expect(scores.imageToText.get(1)?.value).toBe(0.5);
    expect(scores.textToImage.get(1)?.value).toBeCloseTo(1 / 3, 12);
    expect(scores.imageToText.get(2)?.value).toBe(1);
    expect(scores.textToImage.get(2)?.value).toBe(1);
    // (1/2 + 1 + 1/3 + 1) / 4
    expect(scores.mean).toBeCloseTo(17 / 24, 12);
  });

  it.each([1, 7, 99, 100, 101, 250])('ranks all of %i queries', (n) => {
    const identity = Float32Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
    const scores = retrievalRecall(identity, onePerImage(n));
    expect(scores.mean).toBe(1);
    expect(scores.imageToText.get(1)?.perSample.length).toBe(n);
    expect(scores.textToImage.get(10)?.perSample.length).toBe(n);
  });

  it('gives a collapsed model chance, not everything', () => {
    const scores = retrievalRecall(new Float32Array(2500), onePerImage(50));
    expect(scores.imageToText.get(1)?.value).toBeCloseTo(chanceRecall({ gallery: 50, k: 1 }), 12);
    expect(scores.textToImage.get(5)?.value).toBeCloseTo(chanceRecall({ gallery: 50, k: 5 }), 12);
  });

  it('counts all captions of every image: 18 images, 90 texts', () => {
    // Image i is nearest to caption 5 i + 4, its last; its first one is the farthest of all.
    const imageOfText = Array.from({ length: 90 }, (_, t) => Math.floor(t / 5));
    const similarities = Array.from({ length: 18 * 90 }, (_, i) => {
      const [image, text] = [Math.floor(i / 90), i % 90];
      if (Math.floor(text / 5) !== image) return 0.5 + ((text * 7 + image) % 90) / 1000;
      return text % 5 === 4 ? 1 : text % 5 === 0 ? 0 : 0.55;
    });
    const scores = retrievalRecall(similarities, { imageOfText, images: 18 });
    expect(scores.gallery).toEqual({ images: 18, texts: 90, distinctTexts: 90 });
    expect(scores.imageToText.get(1)?.value).toBe(1);
    expect(scores.imageToText.get(1)?.chance).toBeCloseTo(5 / 90, 12);
    expect(scores.textToImage.get(1)?.perSample).toHaveLength(90);
    expect(scores.textToImage.get(1)?.chance).toBeCloseTo(1 / 18, 12);
    // The last caption of each finds its image, the first has it in the last place.
    expect(scores.textToImage.get(1)?.perSample[4]).toBe(1);
    expect(scores.imageRanks[0]).toBe(17);
  });

  it('takes captions that read the same for one text, right for each of their images', () => {
    // Images A and B share column 0, B also has column 1. Captions: A 0, B 0, B 1.
    //        c0   c1
    //   A   0.2  0.9    own text is c0: rank 1
    //   B   0.8  0.1    own are both: rank 0
    const scores = retrievalRecall(
      [0.2, 0.9, 0.8, 0.1],
      { images: 2, imageOfText: [0, 1, 1], columnOfText: [0, 0, 1] },
      [1],
    );
    expect([...scores.textRanks]).toEqual([1, 0]);
    // Both captions of c0 find B first, which is right for both; c1 finds A.
    expect([...scores.imageRanks]).toEqual([0, 0, 1]);
    expect(scores.gallery).toEqual({ images: 2, texts: 3, distinctTexts: 2 });
    expect(scores.imageToText.get(1)?.chance).toBeCloseTo((1 / 2 + 1) / 2, 12);
    expect(scores.textToImage.get(1)?.chance).toBeCloseTo((1 + 1 + 1 / 2) / 3, 12);
  });

  it('gives a model for which all are equal just the chance that it names', () => {
    const size = fc.integer({ min: 1, max: 6 });
    fc.assert(
      fc.property(size, fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 8 }), (images, extra) => {
        const captions = [
          ...Array.from({ length: images }, (_, i) => [i, i] as const),
          ...extra.map(([image, column]) => [image % images, column % images] as const),
        ];
        const scores = retrievalRecall(
          new Float32Array(images * images),
          {
            images,
            imageOfText: captions.map(([image]) => image),
            columnOfText: captions.map(([, column]) => column),
          },
          [1, 2, 3],
        );
        for (const recalls of [scores.imageToText, scores.textToImage]) {
          for (const { value, chance } of recalls.values()) expect(value).toBeCloseTo(chance, 12);
        }
      }),
    );
  });

  it('agrees with sorting each row and column where nothing ties', () => {
    const size = fc.integer({ min: 1, max: 6 });
    fc.assert(
      fc.property(size, fc.array(fc.nat(), { maxLength: 6 }), fc.integer(), (images, extra, seed) => {
        const imageOfText = [...Array.from({ length: images }, (_, i) => i), ...extra.map((e) => e % images)];
        const texts = imageOfText.length;
        const random = createRandom(seed);
        const matrix = Array.from({ length: images }, () =>
          Array.from({ length: texts }, () => random.next()),
        );
        const scores = retrievalRecall(matrix.flat(), { imageOfText, images });
        for (let i = 0; i < images; i += 1) {
          const order = [...imageOfText.keys()].sort((a, b) => (matrix[i]?.[b] ?? 0) - (matrix[i]?.[a] ?? 0));
          expect(scores.textRanks[i]).toBe(order.findIndex((t) => imageOfText[t] === i));
        }
        for (let t = 0; t < texts; t += 1) {
          const order = [...matrix.keys()].sort((a, b) => (matrix[b]?.[t] ?? 0) - (matrix[a]?.[t] ?? 0));
          expect(scores.imageRanks[t]).toBe(order.indexOf(imageOfText[t] ?? -1));
        }
      }),
    );
  });

  it('refuses wrong sizes, images without a text, and NaN', () => {
    expect(() => retrievalRecall([1, 2, 3], onePerImage(2))).toThrow(ShapeError);
    expect(() => retrievalRecall([1, 2, 3], onePerImage(2))).toThrow('[2 images, 2 texts] = 4 values, got 3');
    expect(() => retrievalRecall([], onePerImage(0))).toThrow(ShapeError);
    expect(() => retrievalRecall([1, 2], { imageOfText: [0], images: 2 })).toThrow(
      'expected a text for every image, got none for image 1; leave it out',
    );
    expect(() => retrievalRecall([1, 2], { imageOfText: [0, 1], images: 1 })).toThrow(
      'expected images from 0 to 0, got 1 for text 1',
    );
    expect(() => retrievalRecall([1, 2], { imageOfText: [0, 0], columnOfText: [0], images: 1 })).toThrow(
      'expected a column for each of 2 texts, got 1',
    );
    expect(() => retrievalRecall([1, 2], { imageOfText: [0, 0], columnOfText: [0, 2], images: 1 })).toThrow(
      'expected a caption for every column, got none for column 1',
    );
    expect(() => retrievalRecall([1, Number.NaN, 0, 0], onePerImage(2))).toThrow(ConfigError);
  });
});
