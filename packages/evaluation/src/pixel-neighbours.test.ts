import { createRandom } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { neighbourLabels, pixelNeighbours } from './pixel-neighbours.ts';

describe('pixelNeighbours', () => {
  it('finds the nearest by squared distance', () => {
    // 1x2 grey. Query (10, 20): to (10, 10) 100, to (13, 24) 9 + 16 = 25, to (0, 20) 100.
    const size = { height: 1, width: 2, channels: 1 };
    const references = { ...size, pixels: Uint8Array.of(10, 10, 13, 24, 0, 20) };
    const queries = { ...size, pixels: Uint8Array.of(10, 20, 0, 21) };
    const { indices, distances } = pixelNeighbours(queries, references);
    expect([...indices]).toEqual([1, 2]);
    expect([...distances]).toEqual([25, 1]);
    expect([...neighbourLabels(queries, references, [5, 6, 7])]).toEqual([6, 7]);
  });

  it('rules nothing out by mistake where a bound is tight', () => {
    // 8x8 grey, query 100 throughout. A checkerboard of 50 and 150 has the same sum, so its bound is 0, yet its distance
    // is 64 * 50^2. A flat 130 is nearer, 64 * 30^2, and its bound (64 * 30)^2 / 64 is just that.
    const size = { height: 8, width: 8, channels: 1 };
    const board = Uint8Array.from({ length: 64 }, (_, i) => ((i + (i >> 3)) % 2 === 0 ? 50 : 150));
    const references = { ...size, pixels: Uint8Array.of(...board, ...new Uint8Array(64).fill(130)) };
    const neighbours = pixelNeighbours({ ...size, pixels: new Uint8Array(64).fill(100) }, references);
    expect([neighbours.indices[0], neighbours.distances[0]]).toEqual([1, 64 * 900]);
  });

  it('agrees with comparing everything, ties to the lowest index, for any size', () => {
    const size = fc.record({
      height: fc.integer({ min: 1, max: 19 }),
      width: fc.integer({ min: 1, max: 19 }),
      channels: fc.integer({ min: 1, max: 3 }),
      levels: fc.constantFrom(2, 4, 256),
      smooth: fc.boolean(),
      grey: fc.boolean(),
      seed: fc.integer(),
    });
    fc.assert(
      fc.property(size, ({ height, width, channels, levels, smooth, grey, seed }) => {
        const random = createRandom(seed);
        const length = height * width * channels;
        const draw = (count: number): Uint8Array =>
          Uint8Array.from({ length: count }, () => 0).map((_, i, all) => {
            // Smooth images make the bounds tight, noise makes them useless.
            const value = Math.floor((random.integer(levels) * 255) / (levels - 1));
            // Grey images of several channels are compared by one.
            if (grey && i % channels > 0) return all[i - 1] ?? value;
            return smooth && i % length > 0 && random.next() < 0.9 ? (all[i - 1] ?? value) : value;
          });
        const queries = { height, width, channels, pixels: draw(5 * length) };
        const pixels = draw(30 * length);
        // Copies give exact ties.
        pixels.copyWithin(20 * length, 0, 10 * length);
        const references = { height, width, channels, pixels };
        const neighbours = pixelNeighbours(queries, references);
        for (let q = 0; q < 5; q += 1) {
          let best = Infinity;
          let nearest = -1;
          for (let r = 0; r < 30; r += 1) {
            let sum = 0;
            for (let i = 0; i < length; i += 1) {
              sum += ((queries.pixels[q * length + i] ?? 0) - (pixels[r * length + i] ?? 0)) ** 2;
            }
            if (sum < best) {
              best = sum;
              nearest = r;
            }
          }
          expect([neighbours.indices[q], neighbours.distances[q]]).toEqual([nearest, best]);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('refuses images of different sizes and missing labels', () => {
    const image = (height: number, bytes: number) => ({
      height,
      width: 2,
      channels: 1,
      pixels: new Uint8Array(bytes),
    });
    expect(() => pixelNeighbours(image(1, 2), image(2, 4))).toThrow(
      "expected references of the queries' size 1x2x1, got 1 of 2x2x1",
    );
    expect(() => pixelNeighbours(image(1, 3), image(1, 2))).toThrow(
      'expected queries of 1x2x1 = 2 bytes each, got 3 bytes',
    );
    expect(() => pixelNeighbours(image(1, 2), image(1, 0))).toThrow('got 0 of 1x2x1');
    expect(() => neighbourLabels(image(1, 2), image(1, 4), [1])).toThrow(
      'a label for each of 2 references, got 1',
    );
  });
});
