import { trainTokenizer } from '@polygate/tokens';
import { describe, expect, it } from 'vitest';
import { parseCloze } from './cloze.ts';

const tokenizer = trainTokenizer(['it is good. it is bad.'], { vocabularySize: 300, lowercase: true });
const { spe, endoftext } = tokenizer.specials;
const encode = (text: string): number[] => [...tokenizer.encode(text)];

describe('parseCloze', () => {
  it('lays a text out as the published SST-2 pattern: A E It is S . E', () => {
    const { ids, blank } = parseCloze('{a}{end} it is ___ .', tokenizer).fill([encode('good.')], 64);
    const before = [...encode('good.'), endoftext, ...encode(' it is')];
    expect([...ids]).toEqual([...before, spe, ...encode(' .'), endoftext]);
    expect(blank).toBe(before.length);
  });

  it('lays a pair out as the published QNLI pattern, without the final stop: A-. ? E it is S , B E', () => {
    const cloze = parseCloze('{a-} ?{end} it is ___ , {b}', tokenizer);
    expect(cloze.texts).toBe(2);
    const { ids } = cloze.fill([encode('good.'), encode('bad.')], 64);
    expect([...ids]).toEqual([
      ...encode('good'),
      ...encode(' ?'),
      endoftext,
      ...encode(' it is'),
      spe,
      ...encode(' , '),
      ...encode('bad.'),
      endoftext,
    ]);
  });

  it('cuts the longest text first, and never the pattern', () => {
    const cloze = parseCloze('{a}___{b}', tokenizer);
    // The blank and the end token leave four of six: of 5 and 2 tokens, 2 of each.
    const { ids } = cloze.fill(
      [
        [1, 2, 3, 4, 5],
        [6, 7],
      ],
      6,
    );
    expect([...ids]).toEqual([1, 2, spe, 6, 7, endoftext]);
    expect(() => cloze.fill([[1], [2]], 3)).toThrow(
      'expected a pattern of less than 3 tokens (maximumTokens)',
    );
  });

  it('says what a pattern lacks', () => {
    expect(() => parseCloze('{a} it is', tokenizer)).toThrow('expected one blank ___, got 0');
    expect(() => parseCloze('___ and ___ {a}', tokenizer)).toThrow('expected one blank ___, got 2');
    expect(() => parseCloze('it is ___', tokenizer)).toThrow('expected the text {a}, got none');
    expect(() => parseCloze('{a} {c} ___', tokenizer)).toThrow(
      'expected {a}, {b}, {a-}, {b-} or {end}, got {c}',
    );
    expect(() => parseCloze('{a} ___ {b}', tokenizer).fill([[1]], 9)).toThrow('expected rows of one text');
  });
});
