import { createRandom } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  adjustPicture,
  augmentPicture,
  colourJitter,
  flipPicture,
  randomCrop,
  randomFlip,
  shiftPicture,
} from './augmentation.ts';

const size = { height: 2, width: 3, channels: 1 };
const picture = Uint8Array.of(1, 2, 3, 4, 5, 6);

describe('shiftPicture', () => {
  it('moves the picture and fills from the edge or with a value', () => {
    expect([...shiftPicture(picture, { down: 0, right: 1 }, size)]).toEqual([1, 1, 2, 4, 4, 5]);
    expect([...shiftPicture(picture, { down: 1, right: 0 }, { ...size, fill: 9 })]).toEqual([
      9, 9, 9, 1, 2, 3,
    ]);
    expect([...shiftPicture(picture, { down: -1, right: -1 }, { ...size, fill: 9 })]).toEqual([
      5, 6, 9, 9, 9, 9,
    ]);
    expect([...shiftPicture(picture, { down: 5, right: 5 }, size)]).toEqual([1, 1, 1, 1, 1, 1]);
  });
});

describe('flipPicture', () => {
  it('mirrors columns and keeps channels together', () => {
    expect([...flipPicture(picture, size)]).toEqual([3, 2, 1, 6, 5, 4]);
    expect([...flipPicture(picture, { height: 1, width: 3, channels: 2 })]).toEqual([5, 6, 3, 4, 1, 2]);
  });
});

describe('adjustPicture', () => {
  it('scales around the mean, then by brightness, and clips', () => {
    // Mean of 0, 100, 200 is 100; contrast 2: -100, 100, 300; brightness 0.5: -50, 50, 150 -> 0, 50, 150.
    expect([...adjustPicture(Uint8Array.of(0, 100, 200), { contrast: 2, brightness: 0.5 })]).toEqual([
      0, 50, 150,
    ]);
    expect([...adjustPicture(picture, { contrast: 1, brightness: 1 })]).toEqual([...picture]);
  });
});

describe('random changes', () => {
  it('reach every shift and both mirrorings, and nothing else', () => {
    const random = createRandom(3);
    const shifts = new Set<string>();
    for (let i = 0; i < 300; i += 1) {
      shifts.add(randomCrop(picture, { ...size, random, padding: 1, fill: 0 }).join());
    }
    const expected = [-1, 0, 1].flatMap((down) =>
      [-1, 0, 1].map((right) => shiftPicture(picture, { down, right }, { ...size, fill: 0 }).join()),
    );
    expect([...shifts].sort()).toEqual(expected.sort());
    const flips = Array.from(
      { length: 400 },
      () => randomFlip(picture, { ...size, random, probability: 0.25 })[0],
    );
    const mirrored = flips.filter((first) => first === 3).length;
    // 400 draws at 0.25: mean 100, standard deviation 8.7; the seed is fixed.
    expect(mirrored).toBeGreaterThan(65);
    expect(mirrored).toBeLessThan(135);
    expect(new Set(flips)).toEqual(new Set([1, 3]));
  });

  it('keep brightness within its range', () => {
    const grey = new Uint8Array(6).fill(100);
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const changed = colourJitter(grey, {
          ...size,
          random: createRandom(seed),
          brightness: 0.2,
          contrast: 0.5,
        });
        // A flat picture has no contrast: each value is 100 times a factor from 0.8 to 1.2.
        expect(Math.min(...changed)).toBeGreaterThanOrEqual(80);
        expect(Math.max(...changed)).toBeLessThanOrEqual(120);
      }),
    );
  });

  it('are a function of the seed, change with each call, and never touch their input', () => {
    const original = Uint8Array.from(picture);
    const options = { ...size, crop: { padding: 1 }, flip: {}, jitter: {} };
    const run = (seed: number): string => {
      const random = createRandom(seed);
      return Array.from({ length: 8 }, () => augmentPicture(picture, { ...options, random }).join()).join(
        '|',
      );
    };
    expect(run(1)).toBe(run(1));
    expect(run(1)).not.toBe(run(2));
    expect(new Set(run(1).split('|')).size).toBeGreaterThan(1);
    expect(picture).toEqual(original);
    const same = augmentPicture(picture, { ...size, random: createRandom(1) });
    expect(same).toEqual(picture);
    expect(same).not.toBe(picture);
  });

  it('draw independently: leaving the flip out changes no crop', () => {
    const options = { ...size, crop: { padding: 1, fill: 0 } };
    const crop = augmentPicture(picture, { ...options, random: createRandom(5) });
    const both = augmentPicture(picture, { ...options, flip: { probability: 1 }, random: createRandom(5) });
    expect([...both]).toEqual([...flipPicture(crop, size)]);
  });

  it('say what was expected', () => {
    const random = createRandom(1);
    expect(() => augmentPicture(new Uint8Array(5), { ...size, random })).toThrow(
      'augmentPicture: expected 2x3x1 = 6 bytes, got 5',
    );
    expect(() => randomCrop(picture, { ...size, random, padding: -1 })).toThrow(
      'a whole padding of 0 pixels or more, got -1',
    );
    expect(() => randomFlip(picture, { ...size, random, probability: 2 })).toThrow(
      'expected a number from 0 to 1, got 2',
    );
    expect(() => colourJitter(picture, { ...size, random, contrast: -1 })).toThrow(
      'contrast: expected a number from 0 to 1',
    );
  });
});
