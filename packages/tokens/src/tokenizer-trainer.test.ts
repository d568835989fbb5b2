import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitWords } from './pre-tokenisation.ts';
import { trainTokenizer } from './tokenizer-trainer.ts';

const learned = (texts: readonly string[], merges: number, options = {}): readonly string[] =>
  trainTokenizer(texts, { vocabularySize: 258 + merges, ...options }).toJSON().model.merges;

/** Plain-loop twin: counts all pairs of all words anew before each merge. ASCII only. */
const naiveMerges = (texts: readonly string[], merges: number): readonly string[] => {
  const words = texts.flatMap((text) => splitWords(text)).map((word) => [...word.replaceAll(' ', 'Ġ')]);
  const result: string[] = [];
  // A pair's order is that of the ids: bytes by code point, then merged tokens by age.
  const ids = new Map<string, number>();
  const idOf = (token: string): number => ids.get(token) ?? token.charCodeAt(0) - 10_000;
  for (let merge = 0; merge < merges; merge += 1) {
    const counts = new Map<string, number>();
    for (const word of words) {
      for (let i = 0; i + 1 < word.length; i += 1) {
        const key = `${word[i]} ${word[i + 1]}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    const order = [...counts].filter(([, count]) => count >= 2);
    order.sort(([a, countA], [b, countB]) => {
      const [a0 = '', a1 = ''] = a.split(' ');
      const [b0 = '', b1 = ''] = b.split(' ');
      return countB - countA || idOf(a0) - idOf(b0) || idOf(a1) - idOf(b1);
    });
    const best = order[0]?.[0];
    if (best === undefined) break;
    result.push(best);
    const [left = '', right = ''] = best.split(' ');
    if (!ids.has(left + right)) ids.set(left + right, merge);
    for (const word of words) {
      for (let i = 0; i + 1 < word.length; i += 1) {
        if (word[i] === left && word[i + 1] === right) word.splice(i, 2, left + right);
      }
    }
  }
  return result;
};

describe('trainTokenizer', () => {
  it('learns the merges of a corpus worked out by hand', () => {
    // Words: "low" 5 times, "lower" 2, "newest" 6, "widest" 3 (one a text, so no leading blanks).
    // Pairs: es 9, st 9, we 8 (lower 2, newest 6), lo 7, ow 7, ne 6, ew 6, wi id de 3, er 2.
    //   es and st tie at 9; e < s, so "e s". Then "es t" 9. Then lo 7 and ow 7 tie; l < o, so "l o" -- but first
    //   what is left of "we": newest is n e w es t now, so w-e only in lower: 2. Then "lo w" 7, then
    //   ew 6, ne 6, w-est 6: e < n < w, so "e w"; then n-ew 6 and ew-est 6: n < ew, so "n ew"; then "new est".
    const texts = [
      ...Array.from({ length: 5 }, () => 'low'),
      ...Array.from({ length: 2 }, () => 'lower'),
      ...Array.from({ length: 6 }, () => 'newest'),
      ...Array.from({ length: 3 }, () => 'widest'),
    ];
    expect(learned(texts, 7)).toEqual(['e s', 'es t', 'l o', 'lo w', 'e w', 'n ew', 'new est']);
  });

  it('agrees with recounting everything before each merge', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' ', 'd'), maxLength: 24 });
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (texts) => {
        expect(learned(texts, 12)).toEqual(naiveMerges(texts, 12));
      }),
      { numRuns: 200 },
    );
  });

  it('does not depend on the order of the texts', () => {
    const texts = ['call me ishmael', 'some years ago', 'never mind how long', 'call call some some'];
    const hash = trainTokenizer(texts, { vocabularySize: 280 }).hash;
    expect(trainTokenizer(texts.toReversed(), { vocabularySize: 280 }).hash).toBe(hash);
  });

  it('merges nothing rarer than minFrequency and may end with fewer tokens', () => {
    expect(learned(['abab'], 10)).toEqual(['a b']);
    expect(learned(['abab'], 10, { minFrequency: 1 })).toEqual(['a b', 'ab ab']);
    expect(trainTokenizer(['abab'], { vocabularySize: 268 }).size).toBe(259);
  });

  it('leaves special tokens of the text out and appends them, <|endoftext|> last', () => {
    const texts = ['<|endoftext|><|endoftext|><|pad|>aa aa'];
    const tokenizer = trainTokenizer(texts, { vocabularySize: 262, specials: ['<|pad|>'] });
    expect(tokenizer.toJSON().model.merges).toEqual(['a a']);
    expect(tokenizer.idOf('<|pad|>')).toBe(257);
    expect(tokenizer.specials).toEqual({ spe: 258, endoftext: 259 });
    expect(tokenizer.size).toBe(260);
  });

  it('lower-cases when asked', () => {
    const tokenizer = trainTokenizer(['AB ab Ab'], { vocabularySize: 259, lowercase: true });
    expect(tokenizer.toJSON().model.merges).toEqual(['a b']);
    expect([...tokenizer.encode('AB')]).toEqual([...tokenizer.encode('ab')]);
    expect(tokenizer.decode(tokenizer.encode('Ångström AB'))).toBe('ångström ab');
  });

  it('says which sizes are possible', () => {
    expect(() => trainTokenizer([], { vocabularySize: 257 })).toThrow(
      'trainTokenizer: expected a vocabularySize from 258 (256 bytes and 2 special tokens) to 1048576, got 257',
    );
    expect(() => trainTokenizer([], { vocabularySize: 300, minFrequency: 0 })).toThrow(
      'minFrequency of at least 1, got 0',
    );
    expect(() => trainTokenizer([], { vocabularySize: 300, specials: ['<x>', '<x>'] })).toThrow(
      'specials: expected different, non-empty tokens, got "<x>" twice',
    );
    expect(() =>
      trainTokenizer(['AA AA'], { vocabularySize: 300, lowercase: true, specials: ['aa'] }),
    ).toThrow('got "aa", which is a learned token; write it as "<|aa|>"');
  });
});
