import { imageSequences, isTextSegment } from '@polygate/modalities';
import { describe, expect, it } from 'vitest';
import { segmentRows } from '../signatures.ts';
import { textStep } from './whole-decoder.ts';

/** Images of one patch behind the prefix. */
const startOf = (size: number) =>
  imageSequences(
    {
      size,
      patches: Float32Array.from({ length: size }, (_, i) => i),
      patchCount: 1,
      patchWidth: 1,
      grid: { rows: 1, columns: 1, frames: 1 },
    },
    segmentRows.captionImage,
  );

const options = { row: segmentRows.captionText, queryToken: 50 };

describe('textStep', () => {
  it('shows the last query exactly what the training layout shows s_(t+1)', () => {
    // Training with L = 3 tokens: s3 sees SPE, v, w1, w2 and itself. Writing with t = 2: the last of [SPE v w1 w2 s].
    const step = textStep(startOf(1), Int32Array.of(7, 8), { ...options, written: 2 });
    const text = step.sequences.segments[1];
    expect(isTextSegment(text) && Array.from(text.arrays.ids)).toEqual([7, 8, 50]);
    // s has the position of w3
    expect(isTextSegment(text) && Array.from(text.layout.positions ?? [])).toEqual([0, 1, 2]);
    expect(Array.from(step.sequences.visibility ?? [])).toEqual(
      [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
      ].flat(),
    );
    expect(Array.from(step.queries)).toEqual([4]);
  });

  it('refuses tokens that do not fill the texts', () => {
    expect(() => textStep(startOf(2), Int32Array.of(1), { ...options, written: 1 })).toThrow(
      'textStep: expected 2 x 1 x 1 = 2 tokens, got 1',
    );
  });

  it('shows each text the start and itself alone, and no padding of the start', () => {
    const start = { ...startOf(2), keyPadding: Uint8Array.of(0, 0, 0, 1) };
    const step = textStep(start, Int32Array.of(7, 8, 9, 6), { ...options, written: 1, texts: 2 });
    const text = step.sequences.segments[1];
    expect(isTextSegment(text) && Array.from(text.arrays.ids)).toEqual([7, 50, 8, 50, 9, 50, 6, 50]);
    expect(isTextSegment(text) && Array.from(text.layout.positions ?? [])).toEqual([0, 1, 0, 1]);
    // T = 6: SPE v | w s | w s
    expect(Array.from(step.sequences.visibility ?? [])).toEqual(
      [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1, 1],
      ].flat(),
    );
    expect(Array.from(step.queries)).toEqual([3, 5, 9, 11]);
    expect(Array.from(step.sequences.keyPadding ?? [])).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  });
});
