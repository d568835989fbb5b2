import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  patchify,
  patchifyBatch,
  patchifyVideo,
  toBytes,
  unpatchify,
  unpatchifyBatch,
  unpatchifyVideo,
} from './patches.ts';

describe('patchify', () => {
  it('orders patches by rows and values by (y, x, channel)', () => {
    // A 2x4 image of one channel, patch 2:   0 1 | 2 3
    //                                          4 5 | 6 7
    const grey = Float32Array.from({ length: 8 }, (_, i) => i);
    expect([...patchify(grey, { height: 2, width: 4, channels: 1, patch: 2 })]).toEqual([
      0, 1, 4, 5, 2, 3, 6, 7,
    ]);
    // 4x2, two channels, patch 2: values y*4 + x*2 + c; the lower patch starts at 8.
    const two = Float32Array.from({ length: 16 }, (_, i) => i);
    expect([...patchify(two, { height: 4, width: 2, channels: 2, patch: 2 })]).toEqual([...two]);
  });

  it('normalises bytes per channel as (v / 255 - mean) / std', () => {
    // Channel 0: (51 / 255 - 0.1) / 0.5 = 0.2; channel 1: (255 / 255 - 0.5) / 0.25 = 2.
    const patches = patchify(Uint8Array.of(51, 255), {
      height: 1,
      width: 1,
      channels: 2,
      patch: 1,
      mean: [0.1, 0.5],
      std: [0.5, 0.25],
    });
    expect(patches[0]).toBeCloseTo(0.2, 6);
    expect(patches[1]).toBeCloseTo(2, 6);
    // Floats are not divided by 255: (0.6 - 0.1) / 0.5 = 1.
    const floats = patchify(Float32Array.of(0.6), {
      height: 1,
      width: 1,
      channels: 1,
      patch: 1,
      mean: [0.1],
      std: [0.5],
    });
    expect(floats[0]).toBeCloseTo(1, 6);
  });

  it('agrees with a plain loop over coordinates and is inverted exactly, for any layout and batch', () => {
    const layouts = fc.record({
      rows: fc.integer({ min: 1, max: 3 }),
      columns: fc.integer({ min: 1, max: 3 }),
      patch: fc.integer({ min: 1, max: 4 }),
      channels: fc.integer({ min: 1, max: 4 }),
      count: fc.integer({ min: 1, max: 3 }),
    });
    fc.assert(
      fc.property(
        layouts,
        fc.infiniteStream(fc.integer({ min: 0, max: 255 })),
        ({ rows, columns, ...rest }, stream) => {
          const { patch: p, channels: C, count } = rest;
          const height = rows * p;
          const width = columns * p;
          const mean = [0.485, 0.456, 0.406, 0.5].slice(0, C);
          const std = [0.229, 0.224, 0.225, 0.5].slice(0, C);
          const layout = { height, width, mean, std, ...rest };
          const pixels = Uint8Array.from(
            { length: count * height * width * C },
            () => stream.next().value as number,
          );
          const patches = patchifyBatch(pixels, layout);
          for (let i = 0; i < pixels.length; i += 1) {
            const c = i % C;
            const x = Math.floor(i / C) % width;
            const y = Math.floor(i / (C * width)) % height;
            const b = Math.floor(i / (C * width * height));
            const n = Math.floor(y / p) * columns + Math.floor(x / p);
            const at = ((b * rows * columns + n) * p * p + (y % p) * p + (x % p)) * C + c;
            const expected = Math.fround(((pixels[i] ?? 0) / 255 - (mean[c] ?? 0)) / (std[c] ?? 1));
            expect(patches[at]).toBe(expected);
          }
          expect(toBytes(unpatchifyBatch(patches, layout))).toEqual(pixels);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('fills an array that is given, and treats video as frames in order', () => {
    const layout = { height: 2, width: 2, channels: 3, patch: 2 };
    const video = Uint8Array.from({ length: 36 }, (_, i) => 7 * i);
    const out = new Float32Array(36);
    expect(patchifyBatch(video, { ...layout, count: 3, out })).toBe(out);
    const byFrame = [0, 1, 2].flatMap((t) => [...patchify(video.subarray(12 * t, 12 * t + 12), layout)]);
    expect([...out]).toEqual(byFrame);
    const frames = { ...layout, frames: 3 };
    expect([...patchifyVideo(video, frames)]).toEqual(byFrame);
    expect(toBytes(unpatchifyVideo(patchifyVideo(video, frames), frames))).toEqual(video);
    expect(toBytes(unpatchify(patchify(video.subarray(0, 12), layout), layout))).toEqual(
      video.subarray(0, 12),
    );
  });

  it('clips and rounds when turning values into bytes', () => {
    expect([...toBytes(Float32Array.of(-0.5, 0, 0.5, 1, 1.5))]).toEqual([0, 0, 128, 255, 255]);
  });

  it('says what is wrong with a layout', () => {
    const layout = { height: 4, width: 4, channels: 3, patch: 2 };
    expect(() => patchify(new Uint8Array(48), { ...layout, patch: 3 })).toThrow(
      'patches: expected height and width that are multiples of the patch side, got 4x4x3 with patch 3; resize or crop',
    );
    expect(() => patchify(new Uint8Array(47), layout)).toThrow(
      'patchifyBatch: expected 48 values for this layout, got 47',
    );
    expect(() => unpatchify(new Float32Array(47), layout)).toThrow('unpatchifyBatch: expected 48 values');
    expect(() => patchify(new Uint8Array(48), { ...layout, mean: [0] })).toThrow(
      'one value per channel (3), got 1',
    );
    expect(() => patchify(new Uint8Array(48), { ...layout, std: [1, 0, 1] })).toThrow(
      'expected every std above 0, got [1, 0, 1]',
    );
    expect(() =>
      patchifyBatch(new Uint8Array(48), { ...layout, count: 1, out: new Float32Array(3) }),
    ).toThrow('patchifyBatch, out: expected 48 values');
  });
});
