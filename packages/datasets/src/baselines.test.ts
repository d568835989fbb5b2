import { createRandom } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import {
  majorityAccuracy,
  mostFrequentText,
  pixelNearestNeighbourAccuracy,
  shrinkPicture,
} from './baselines.ts';

describe('baselines', () => {
  it('answer the most frequent training class', () => {
    // Class 2 leads in training; it is one of four labels.
    expect(majorityAccuracy([0, 2, 2, 1], [2, 0, 1, 1])).toBe(0.25);
    expect(mostFrequentText(['b', 'a', 'a', 'b', 'c'])).toBe('b'); // first of equals
    expect(mostFrequentText([])).toBeUndefined();
  });

  it('shrink by block means', () => {
    // 2 x 2 RGB to one pixel: mean of 0, 10, 20, 30 in each channel, plus the channel's own offset.
    const pixels = Uint8Array.from([0, 10, 20, 30].flatMap((v) => [v, v + 1, v + 2]));
    expect([...shrinkPicture(pixels, 2, 1)]).toEqual([15, 16, 17]);
    expect(() => shrinkPicture(new Uint8Array(5), 2, 1)).toThrow('expected 2 x 2 x 3 = 12 values, got 5');
  });

  it.each(['colour', 'grey'])(
    'find the same neighbours as a plain search, with ties to the first: %s',
    (kind) => {
      const random = createRandom(3);
      const size = 16;
      const picture = (): Uint8Array => {
        const base = random.integer(4) * 60;
        const values = Array.from({ length: size * size * 3 }, () => base + random.integer(40));
        return Uint8Array.from(values, (value, i) => (kind === 'grey' ? (values[i - (i % 3)] ?? 0) : value));
      };
      const training = {
        pixels: Array.from({ length: 60 }, picture),
        labels: Array.from({ length: 60 }, (_, i) => i % 7),
      };
      training.pixels.push(training.pixels[5] as Uint8Array);
      training.labels.push(6); // a copy of picture 5 with another label: the first one counts
      const asked = {
        pixels: [...training.pixels.slice(0, 6), ...Array.from({ length: 40 }, picture)],
        labels: [] as number[],
      };
      // At 16 x 16 nothing is shrunk, so that the plain search may use the pixels as they are.
      const plain = asked.pixels.map((query) => {
        const distances = training.pixels.map((known) =>
          known.reduce((sum, v, i) => sum + (v - (query[i] ?? 0)) ** 2, 0),
        );
        return training.labels[distances.indexOf(Math.min(...distances))] ?? -1;
      });
      expect(pixelNearestNeighbourAccuracy(training, { ...asked, labels: plain }, size)).toBe(1);
      const wrong = plain.map((label, i) => (i % 2 === 0 ? label : label + 1));
      expect(pixelNearestNeighbourAccuracy(training, { ...asked, labels: wrong }, size)).toBe(0.5);
    },
  );

  it('are not misled by block means', () => {
    // The checkerboard of +-60 has the block means of the query and a squared distance of 768 * 3600; the flat picture
    // that is brighter by 40 differs in every mean, but is nearer: 768 * 1600.
    const size = 16;
    const flat = (value: number): Uint8Array => new Uint8Array(size * size * 3).fill(value);
    const board = Uint8Array.from({ length: size * size * 3 }, (_, i) => {
      const pixel = Math.floor(i / 3);
      return 100 + (((pixel % size) + Math.floor(pixel / size)) % 2 === 0 ? 60 : -60);
    });
    const training = { pixels: [board, flat(140)], labels: [0, 1] };
    expect(pixelNearestNeighbourAccuracy(training, { pixels: [flat(100)], labels: [1] }, size)).toBe(1);
  });
});
