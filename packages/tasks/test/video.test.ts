import { createRandom } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import { clipPatches } from '../src/visual/clip-patches.ts';

/** One pixel a frame, whose value is its number times ten. */
const clip = (frames: number) => ({ frames, pixels: Uint8Array.from({ length: frames }, (_, t) => 10 * t) });
const image = { height: 1, width: 1, channels: 1, patch: 1 };
/** (v / 255 - 0.5) / 0.5 */
const normalised = (value: number): number => Math.fround((value / 255 - 0.5) / 0.5);

describe('clips as patches', () => {
  it('are frame after frame, normalised as clips are', () => {
    const patches = clipPatches([clip(8), clip(3)], image, {
      view: { frames: 3, stride: 2 },
      start: (i, last) => (i === 0 ? last : 0),
    });
    // Starts of the first are 0 to 8 - 5 = 3; the second is too short and repeats its last frame.
    expect(patches).toMatchObject({ size: 2, patchCount: 3, grid: { rows: 1, columns: 1, frames: 3 } });
    expect(Array.from(patches.patches)).toEqual([30, 50, 70, 0, 20, 20].map(normalised));
  });

  it('are changed alike in all frames of a clip', () => {
    const constant = { frames: 3, pixels: new Uint8Array(3).fill(100) };
    const patches = clipPatches([constant, constant], image, {
      view: { frames: 3, stride: 1 },
      start: () => 0,
      augmentation: { tone: 0.5 },
      rowRandom: (i) => createRandom(1).fork(i),
    });
    const [a, b, c, d] = patches.patches;
    expect([b, c]).toEqual([a, a]);
    expect(d).not.toBe(a);
  });

  it('refuse frames of another size', () => {
    expect(() =>
      clipPatches([{ frames: 2, pixels: new Uint8Array(3) }], image, {
        view: { frames: 1, stride: 1 },
        start: () => 0,
      }),
    ).toThrow('clips: expected 1 x 1 x 1 values for each of 2 frames, got 3 in clip 0');
  });
});
