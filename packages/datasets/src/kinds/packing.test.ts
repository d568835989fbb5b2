import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { trainTokenizer } from '@polygate/tokens';
import { packLines } from './packing.ts';

// Bytes only: each letter is a token, words are split at spaces.
const tokenizer = trainTokenizer([''], { vocabularySize: 258 });
const end = tokenizer.specials.endoftext;
const pack = (lines: readonly string[], length: number) => [
  ...packLines(
    lines.map((line) => tokenizer.encode(line)),
    { tokenizer, length },
  ),
];
const text = (ids: Iterable<number>): string =>
  tokenizer.decode([...ids].map((id) => (id === end ? end : id)));

describe('packing', () => {
  it('fills rows with whole words and ends each line', () => {
    // "ab cd" is ab + " cd" (2 + 3 tokens), then the end token; a row of 6 holds just that.
    const rows = pack(['ab cd', 'efg hi'], 6);
    expect(rows.map((row) => text(row.tokens))).toEqual(['ab cd<|endoftext|>', 'efg hi', '<|endoftext|>']);
    expect(rows.map((row) => [...row.words])).toEqual([[0, 0, 1, 1, 1, 2], [0, 0, 0, 1, 1, 1], [0]]);
  });

  it('cuts only words that are longer than a row', () => {
    const rows = pack(['abcdefghij k'], 4);
    expect(rows.map((row) => text(row.tokens))).toEqual(['abcd', 'efgh', 'ij k', '<|endoftext|>']);
  });

  it('loses and repeats nothing, and keeps the length', () => {
    const line = fc
      .array(fc.constantFrom('a', 'bcd', 'efghi', 'ö'), { minLength: 1, maxLength: 12 })
      .map((words) => words.join(' '));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), fc.integer({ min: 8, max: 20 }), (lines, length) => {
        const rows = pack(lines, length);
        expect(
          rows.every((row) => row.tokens.length <= length && row.tokens.length === row.words.length),
        ).toBe(true);
        const joined = rows.flatMap((row) => [...row.tokens]);
        expect(joined).toEqual(lines.flatMap((each) => [...tokenizer.encode(each), end]));
        // A new row begins only where the next word would not fit.
        for (const [index, row] of rows.entries()) {
          const next = rows[index + 1];
          if (next)
            expect(row.tokens.length + [...next.words].filter((word) => word === 0).length).toBeGreaterThan(
              length,
            );
        }
      }),
    );
  });
});
