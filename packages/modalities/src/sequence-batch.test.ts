import { parseRow } from '@polygate/attributes';
import { describe, expect, it } from 'vitest';
import { takeSequences } from './sequence-batch.ts';
import { endedTokens, isTextSegment, textSequences } from './text/text-segment.ts';
import { imageSequences, isVisualSegment } from './visual/visual-segment.ts';

const words = parseRow('01010101');

describe('textSequences', () => {
  it('pads short rows and marks the padding behind the prefix', () => {
    const batch = textSequences([[1, 2, 3], [4]], { row: words, padding: 9 });
    const text = batch.segments[0];
    expect(isTextSegment(text) && Array.from(text.arrays.ids)).toEqual([1, 2, 3, 4, 9, 9]);
    expect(batch.length).toBe(4);
    expect(Array.from(batch.keyPadding ?? [])).toEqual([0, 0, 0, 0, 0, 0, 1, 1]);
  });

  it('has no padding mask when all rows are full', () => {
    expect(textSequences([[1], [2]], { row: words, padding: 9 }).keyPadding).toBeUndefined();
  });

  it('refuses empty and over-long rows by number', () => {
    const options = { row: words, padding: 9, length: 2 };
    expect(() => textSequences([[1], []], options)).toThrow(
      'expected one or more token rows of 1 to 2 tokens, got row 1 with 0 tokens',
    );
    expect(() => textSequences([[1, 2, 3]], options)).toThrow('got row 0 with 3 tokens');
    expect(() => textSequences([], options)).toThrow('got no rows');
  });
});

describe('endedTokens', () => {
  it('ends a text and cuts a long one so that the end token stays', () => {
    expect(Array.from(endedTokens([1, 2], { endToken: 9 }))).toEqual([1, 2, 9]);
    expect(Array.from(endedTokens([1, 2, 3, 4], { endToken: 9, maximum: 3 }))).toEqual([1, 2, 9]);
  });
});

describe('takeSequences', () => {
  it('copies rows of every array, in any order and more than once', () => {
    const text = textSequences([[1, 2], [3]], { row: words, padding: 9 });
    const taken = takeSequences(text, [1, 0, 1]);
    const segment = taken.segments[0];
    expect(isTextSegment(segment) && Array.from(segment.arrays.ids)).toEqual([3, 9, 1, 2, 3, 9]);
    expect(Array.from(taken.keyPadding ?? [])).toEqual([0, 0, 1, 0, 0, 0, 0, 0, 1]);
    const images = imageSequences(
      {
        size: 2,
        patches: Float32Array.of(1, 2, 3, 4),
        patchCount: 1,
        patchWidth: 2,
        grid: { rows: 1, columns: 1, frames: 1 },
      },
      parseRow('10011001'),
    );
    const second = takeSequences(images, [1]).segments[0];
    expect(isVisualSegment(second) && Array.from(second.arrays.patches)).toEqual([3, 4]);
    expect(() => takeSequences(images, [2])).toThrow('expected indices below 2, got 2');
  });
});
