import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { baseBytes, byteSymbols, bytesOfToken, symbolsOfBytes } from './byte-alphabet.ts';
import { specialSplitter, splitWords } from './pre-tokenisation.ts';

describe('splitWords', () => {
  it('keeps a leading blank with its word and cuts contractions, digits and signs apart', () => {
    expect(splitWords("The whale's 3 tails--aye!  He'll\n\n go")).toEqual([
      'The',
      ' whale',
      "'s",
      ' 3',
      ' tails',
      '--',
      'aye',
      '!',
      ' ',
      ' He',
      "'ll",
      '\n\n',
      ' go',
    ]);
  });

  it('loses no character of any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        expect(splitWords(text).join('')).toBe(text);
      }),
      { numRuns: 500 },
    );
  });
});

describe('specialSplitter', () => {
  it('takes the leftmost and then the longest special token', () => {
    const split = specialSplitter(['<a>', '<a><b>', '.*']);
    expect(split('x<a><b>y<a>.*')).toEqual([
      { text: 'x', special: false },
      { text: '<a><b>', special: true },
      { text: 'y', special: false },
      { text: '<a>', special: true },
      { text: '.*', special: true },
    ]);
    expect(split('')).toEqual([]);
    expect(specialSplitter([])('abc')).toEqual([{ text: 'abc', special: false }]);
  });

  it('cuts as a pattern of all tokens does, the longest first', () => {
    const token = fc.string({
      unit: fc.constantFrom('<', '|', 'a', '>', '\u{1F642}'),
      minLength: 1,
      maxLength: 4,
    });
    const text = fc.string({ unit: fc.constantFrom('<', '|', 'a', '>', 'b', '\u{1F642}'), maxLength: 30 });
    fc.assert(
      fc.property(fc.array(token, { minLength: 1, maxLength: 6 }), text, (specials, given) => {
        const longestFirst = [...specials].sort((a, b) => b.length - a.length);
        const pattern = new RegExp(longestFirst.map((each) => each.replace(/\|/gu, '\\|')).join('|'), 'g');
        const parts = specialSplitter(specials)(given);
        expect(parts.map((part) => part.text).join('')).toBe(given);
        expect(parts.filter((part) => part.special).map((part) => part.text)).toEqual(
          given.match(pattern) ?? [],
        );
        expect(parts.every((part) => part.text !== '')).toBe(true);
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  it('takes a vocabulary of very many special tokens', () => {
    const specials = Array.from({ length: 100_000 }, (_, i) => `<|${i}|>`);
    const split = specialSplitter(specials);
    const text = 'a < b <|99999|> c <|100000|> '.repeat(5000);
    const specialParts = split(text).filter((part) => part.special);
    expect(specialParts).toHaveLength(5000);
    expect(specialParts[0]?.text).toBe('<|99999|>');
  });
});

describe('the byte alphabet', () => {
  it('stands for 256 bytes by 256 characters, blank and newline as published', () => {
    expect(new Set(byteSymbols).size).toBe(256);
    expect(byteSymbols[0x20]).toBe('Ġ');
    expect(byteSymbols[0x0a]).toBe('Ċ');
    expect(byteSymbols[0x41]).toBe('A');
    // 0x00 is the first byte without a visible form, 0xad (soft hyphen) the last: 256 and 256 + 67.
    expect(byteSymbols[0x00]?.charCodeAt(0)).toBe(256);
    expect(byteSymbols[0xad]?.charCodeAt(0)).toBe(323);
    expect(baseBytes.slice(0, 2)).toEqual([0x21, 0x22]);
  });

  it('is inverted by bytesOfToken, which refuses other characters', () => {
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(bytesOfToken(symbolsOfBytes(all))).toEqual(all);
    expect(bytesOfToken('a b')).toBeUndefined();
  });
});
