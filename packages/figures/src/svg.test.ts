import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { element, escapeXml, hoverText, linePath, text } from './svg.ts';

describe('escapeXml', () => {
  it('leaves nothing that ends a text or an attribute, and loses nothing that XML can hold', () => {
    const back: Readonly<Record<string, string>> = {
      '&amp;': '&',
      '&lt;': '<',
      '&gt;': '>',
      '&quot;': '"',
      '&#39;': "'",
    };
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (words) => {
        const escaped = escapeXml(words);
        expect(escaped).not.toMatch(/[<>"']|&(?!amp;|lt;|gt;|quot;|#39;)/u);
        const plain = escaped.replace(/&[^;]+;/gu, (entity) => back[entity] ?? '');
        expect(plain).toBe(words.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/gu, '\ufffd'));
      }),
    );
  });

  it('replaces what no XML parser takes', () => {
    expect(escapeXml('a\u0000b\ud800c\udc00d\u{1f600}')).toBe('a\ufffdb\ufffdc\ufffdd\u{1f600}');
  });
});

describe('elements', () => {
  it('round numbers, escape text and leave out what is undefined', () => {
    expect(element('rect', { x: 1 / 3, y: -0.001, class: undefined, id: 'a"b' })).toBe(
      '<rect x="0.33" y="0" id="a&quot;b"/>',
    );
    expect(text('a < b', { x: 1 })).toBe('<text x="1">a &lt; b</text>');
    expect(hoverText('"')).toBe('<title>&quot;</title>');
  });

  it('draw lines that break where a value is NaN', () => {
    expect(
      linePath([
        [0, 1],
        [2, 3],
        [NaN, 4],
        [5, Infinity],
        [6, 7],
        [8, 9.999],
      ]),
    ).toBe('M0 1L2 3M6 7L8 10');
  });
});
