import { createRandom } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { augmentPixels, checkAugmentation } from './affine.ts';

const shape = { height: 3, width: 4, channels: 2 };
const image = Uint8Array.from({ length: 24 }, (_, i) => i * 10);

describe('augmentPixels', () => {
  it('changes nothing when every range is zero', () => {
    const same = augmentPixels(image, shape, { random: createRandom(1) });
    expect(Array.from(same)).toEqual(Array.from(image));
  });

  it('mirrors left and right, keeping channels together', () => {
    const mirrored = augmentPixels(image, shape, { flip: 1, random: createRandom(1) });
    // Row 0 holds pixels (0,10) (20,30) (40,50) (60,70).
    expect(Array.from(mirrored.subarray(0, 8))).toEqual([60, 70, 40, 50, 20, 30, 0, 10]);
  });

  it('keeps a plain image plain under every shift, zoom and turn', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const plain = new Uint8Array(24).fill(77);
        const options = { flip: 0.5, shift: 0.3, zoom: 0.5, turn: 45, random: createRandom(seed) };
        expect(Array.from(augmentPixels(plain, shape, options))).toEqual(Array.from(plain));
      }),
    );
  });

  it('turns a square by 90 degrees exactly', () => {
    // A stream whose draws are all 1 - 2^-53 asks for the whole positive range: turn = +90 degrees.
    const random = { ...createRandom(1), next: () => 1 - 2 ** -53 };
    const square = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);
    const turned = augmentPixels(square, { height: 3, width: 3, channels: 1 }, { turn: 90, random });
    // Output (x, y) comes from (y, -x) about the centre: the image turns clockwise as seen with y down.
    expect(Array.from(turned)).toEqual([7, 4, 1, 8, 5, 2, 9, 6, 3]);
  });

  it('repeats for the same stream and never writes into its input', () => {
    const options = { flip: 0.5, shift: 0.2, zoom: 0.2, turn: 20, tone: 0.3 };
    const before = Uint8Array.from(image);
    const a = augmentPixels(image, shape, { ...options, random: createRandom(4) });
    const b = augmentPixels(image, shape, { ...options, random: createRandom(4) });
    const c = augmentPixels(image, shape, { ...options, random: createRandom(5) });
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
    expect(image).toEqual(before);
  });

  it('names a setting outside its range and an image of another size', () => {
    expect(() => checkAugmentation({ flip: 2 })).toThrow('augmentation: expected flip from 0 to 1, got 2');
    expect(() => augmentPixels(image, { ...shape, channels: 3 }, { random: createRandom(1) })).toThrow(
      'augmentPixels: expected 3x4x3 = 36 bytes, got 24',
    );
  });
});
