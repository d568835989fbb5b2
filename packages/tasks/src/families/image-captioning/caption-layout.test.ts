import { parseRow } from '@polygate/attributes';
import fc from 'fast-check';
import { isTextSegment } from '@polygate/modalities';
import { describe, expect, it } from 'vitest';
import { captionLayout, captionVisibility } from './caption-layout.ts';
import { segmentRows } from '../../signatures.ts';

const images = (size: number, patchCount: number) => ({
  size,
  patches: Float32Array.from({ length: size * patchCount }, (_, i) => i),
  patchCount,
  patchWidth: 1,
  grid: { rows: 1, columns: patchCount, frames: 1 },
});

const options = {
  imageRow: segmentRows.captionImage,
  textRow: segmentRows.captionText,
  queryToken: 50,
  padding: 51,
};

describe('captionVisibility', () => {
  it('is the matrix of the paper for two patches and two words', () => {
    // columns: SPE v1 v2 | w1 w2 | s1 s2
    const expected = [
      [1, 1, 1, 0, 0, 0, 0], // SPE
      [1, 1, 1, 0, 0, 0, 0], // v1
      [1, 1, 1, 0, 0, 0, 0], // v2
      [1, 1, 1, 1, 0, 0, 0], // w1
      [1, 1, 1, 1, 1, 0, 0], // w2
      [1, 1, 1, 0, 0, 1, 0], // s1 sees no word
      [1, 1, 1, 1, 0, 0, 1], // s2 sees w1
    ];
    expect(Array.from(captionVisibility(2, 2))).toEqual(expected.flat());
  });

  it('lets no path of attention, through any number of layers, lead from an answer to its query', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 7 }), (patchCount, words) => {
        const total = 1 + patchCount + 2 * words;
        const seen = captionVisibility(patchCount, words);
        const reach = Array.from({ length: total }, (_, query) => {
          const reached = new Set([query]);
          for (const from of reached) {
            for (let key = 0; key < total; key += 1) if (seen[from * total + key]) reached.add(key);
          }
          return reached;
        });
        for (let i = 0; i < words; i += 1) {
          const query = 1 + patchCount + words + i;
          for (let j = 0; j < words; j += 1) {
            expect(reach[query]?.has(1 + patchCount + j)).toBe(j < i);
            expect(reach[query]?.has(1 + patchCount + words + j)).toBe(j === i);
          }
          for (let key = 0; key <= patchCount; key += 1) expect(reach[query]?.has(key)).toBe(true);
        }
      }),
    );
  });
});

describe('captionLayout', () => {
  it('lays out two captions of different length by hand', () => {
    const layout = captionLayout(images(2, 1), [Int32Array.of(7, 8, 51), Int32Array.of(9, 51)], options);
    const text = layout.sequences.segments[1];
    // L = 3, T = 1 + 1 + 6 = 8: [SPE v | w1 w2 w3 | s1 s2 s3]
    expect(text).toMatchObject({ modality: 'text', length: 6, row: parseRow('11010111') });
    expect(isTextSegment(text) && Array.from(text.arrays.ids)).toEqual([
      7, 8, 51, 50, 50, 50, 9, 51, 51, 50, 50, 51,
    ]);
    expect(isTextSegment(text) && Array.from(text.layout.positions ?? [])).toEqual([0, 1, 2, 0, 1, 2]);
    expect(layout.sequences.segments[0]?.row).toEqual(parseRow('11011001'));
    expect(layout.sequences.length).toBe(8);
    // Row 0: s at 5, 6, 7. Row 1: s1, s2 at 8 + 5, 8 + 6; its third word and query are padding.
    expect(Array.from(layout.queries)).toEqual([5, 6, 7, 13, 14]);
    expect(Array.from(layout.labels)).toEqual([7, 8, 51, 9, 51]);
    expect(Array.from(layout.sequences.keyPadding ?? [])).toEqual([
      ...[0, 0, 0, 0, 0, 0, 0, 0],
      ...[0, 0, 0, 0, 1, 0, 0, 1],
    ]);
  });

  it('never asks at padding, and asks once for each word', () => {
    const captions = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(captions, (lengths) => {
        const texts = lengths.map((length) => new Int32Array(length).fill(3));
        const { sequences, queries, labels } = captionLayout(images(lengths.length, 2), texts, options);
        expect(labels.length).toBe(lengths.reduce((sum, length) => sum + length, 0));
        expect(new Set(queries).size).toBe(queries.length);
        for (const query of queries) expect(sequences.keyPadding?.[query] ?? 0).toBe(0);
      }),
    );
  });

  it('names what is wrong with the captions', () => {
    expect(() => captionLayout(images(2, 1), [Int32Array.of(1)], options)).toThrow(
      'captionLayout: expected 2 captions of one token or more, got 1 of lengths 1',
    );
  });
});
