import { describe, expect, it } from 'vitest';
import { shrinkImages } from './shrink-images.ts';

describe('shrinkImages', () => {
  it('takes means of blocks, channel by channel and image by image', () => {
    // 2 x 2 RGB to one pixel: mean of 0, 10, 20, 30 in each channel, plus the channel's own offset; then of 4, 4, 4, 6,
    // 4.5, which rounds up.
    const first = [0, 10, 20, 30].flatMap((v) => [v, v + 1, v + 2]);
    const second = [4, 4, 4, 6].flatMap((v) => [v, 0, 255]);
    const pixels = Uint8Array.from([...first, ...second]);
    const small = shrinkImages({ pixels, height: 2, width: 2, channels: 3 }, 1);
    expect(small).toMatchObject({ height: 1, width: 1, channels: 3 });
    expect([...small.pixels]).toEqual([15, 16, 17, 5, 0, 255]);
  });

  it('takes sides that are no multiple, and leaves small ones', () => {
    // Width 5 to 2: blocks of columns 0-1 and 2-4; height 1 stays.
    const wide = { pixels: Uint8Array.of(2, 4, 9, 9, 12), height: 1, width: 5, channels: 1 };
    expect(shrinkImages(wide, 2)).toEqual({
      pixels: Uint8Array.of(3, 10),
      height: 1,
      width: 2,
      channels: 1,
    });
    expect(shrinkImages(wide, 5)).toBe(wide);
  });
});
