import { createRandom } from '@polygate/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maskWords, wordSpans } from './masking.ts';

const END = 99;
const MASK = 98;

describe('wordSpans', () => {
  it('groups pieces of one word and leaves end tokens out', () => {
    // Two lines: words 0 | 1 1 | END | 0 0 | END. The word index starts anew after the first end token.
    expect(wordSpans([1, 2, 3, END, 4, 5, END], [0, 1, 1, 2, 0, 0, 1], [END])).toEqual([
      [0, 1],
      [1, 3],
      [4, 6],
    ]);
  });

  it('cuts a word index that goes on behind an end token', () => {
    expect(wordSpans([1, END, 2], [3, 3, 3], [END])).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it('says what to do when the word indices do not fit', () => {
    expect(() => wordSpans([1, 2], [0], [])).toThrow(
      'wordSpans: expected one word index per token (2), got 1; prepare the data again',
    );
  });
});

describe('maskWords', () => {
  const options = { maskToken: MASK, fixedTokens: [END], vocabularySize: 90 };

  it('chooses 15 % of words, of which 80 % are hidden, 10 % replaced and 10 % kept', () => {
    const words = 40_000;
    const tokens = Int32Array.from({ length: 2 * words }, (_, i) => i % 90);
    const index = Int32Array.from({ length: 2 * words }, (_, i) => i >> 1);
    const masked = maskWords(tokens, index, { ...options, random: createRandom(3) });
    const chosen = masked.positions.length / 2;
    let hidden = 0;
    let kept = 0;
    for (let i = 0; i < masked.positions.length; i += 2) {
      const position = masked.positions[i] ?? 0;
      const pieces = [masked.ids[position], masked.ids[position + 1]];
      if (pieces.every((piece) => piece === MASK)) hidden += 1;
      else if (pieces[0] === tokens[position] && pieces[1] === tokens[position + 1]) kept += 1;
    }
    // Standard errors: 0.0018 for the rate at 40,000 words, 0.0052 for the shares at 6,000; five of each are allowed.
    expect(Math.abs(chosen / words - 0.15)).toBeLessThan(0.009);
    expect(Math.abs(hidden / chosen - 0.8)).toBeLessThan(0.026);
    expect(Math.abs(kept / chosen - 0.1)).toBeLessThan(0.02);
  });

  it('takes whole words, labels them truly, changes nothing else and never touches an end token', () => {
    const text = fc.array(fc.array(fc.integer({ min: 0, max: 89 }), { minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(text, fc.integer(), fc.double({ min: 0, max: 1, noNaN: true }), (words, seed, rate) => {
        const tokens: number[] = [];
        const index: number[] = [];
        words.forEach((pieces, word) => {
          for (const piece of pieces) {
            tokens.push(piece);
            index.push(word);
          }
          if (word % 3 === 2) {
            tokens.push(END);
            index.push(word);
          }
        });
        const masked = maskWords(tokens, index, { ...options, rate, random: createRandom(seed) });
        const chosen = new Set(masked.positions);
        expect(chosen.size).toBe(masked.positions.length);
        expect(chosen.size).toBeGreaterThan(0);
        masked.positions.forEach((position, i) => expect(masked.labels[i]).toBe(tokens[position]));
        for (const [start, end] of wordSpans(tokens, index, [END])) {
          const inside = [...chosen].filter((position) => position >= start && position < end).length;
          expect([0, end - start]).toContain(inside);
          const hidden = Array.from(masked.ids.subarray(start, end)).filter((id) => id === MASK).length;
          expect([0, end - start]).toContain(hidden);
        }
        tokens.forEach((token, position) => {
          if (!chosen.has(position)) expect(masked.ids[position]).toBe(token);
          if (token === END) expect(chosen.has(position)).toBe(false);
        });
      }),
      { numRuns: 200 },
    );
  });

  it('draws replacements from the whole vocabulary', () => {
    const tokens = new Int32Array(5000).fill(7);
    const index = Int32Array.from(tokens, (_, i) => i);
    const masked = maskWords(tokens, index, { ...options, rate: 1, shares: [0, 1], random: createRandom(1) });
    expect(new Set(masked.ids).size).toBe(90);
  });

  it('is the same for the same stream and leaves its input alone', () => {
    const tokens = Int32Array.from({ length: 50 }, (_, i) => i);
    const run = () => maskWords(tokens, tokens, { ...options, random: createRandom(5) });
    expect(run()).toEqual(run());
    expect(Array.from(tokens)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });
});
