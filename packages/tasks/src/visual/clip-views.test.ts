import { describe, expect, it } from 'vitest';
import { lastStart, viewFrames, viewStart } from './clip-views.ts';

describe('views of clips', () => {
  it('lie inside the clip from the first start to the last', () => {
    // Four frames, every second: 7 of 16 frames, so starts are 0 to 16 - 7 = 9.
    const view = { frames: 4, stride: 2 };
    expect(lastStart(16, view)).toBe(9);
    expect(viewFrames(16, 0, view)).toEqual([0, 2, 4, 6]);
    expect(viewFrames(16, 9, view)).toEqual([9, 11, 13, 15]);
  });

  it('repeat the last frame of a clip that is shorter', () => {
    const view = { frames: 4, stride: 2 };
    expect(lastStart(3, view)).toBe(0);
    expect(viewFrames(3, 0, view)).toEqual([0, 2, 2, 2]);
    expect(viewFrames(1, 0, view)).toEqual([0, 0, 0, 0]);
  });

  it('are spread evenly; one alone lies in the middle', () => {
    expect([0, 1, 2, 3].map((view) => viewStart(9, view, 4))).toEqual([0, 3, 6, 9]);
    expect(viewStart(9, 0, 1)).toBe(4);
    expect([0, 1].map((view) => viewStart(0, view, 2))).toEqual([0, 0]);
  });
});
