import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from './errors.ts';
import { excerpt, parseJson } from './json.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('parseJson', () => {
  it('skips a byte order mark, in text and in bytes', () => {
    expect(parseJson('\ufeff{"a":1}', 'x')).toEqual({ a: 1 });
    expect(parseJson(Uint8Array.of(0xef, 0xbb, 0xbf, ...bytes('[2]')), 'x')).toEqual([2]);
  });

  it('equals JSON.parse on every JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const text = JSON.stringify(value);
        expect(parseJson(bytes(text), 'x')).toEqual(JSON.parse(text));
      }),
    );
  });

  it('counts brackets outside of strings only', () => {
    expect(parseJson(`["${'['.repeat(500)}\\"${'['.repeat(500)}"]`, 'x')).toHaveLength(1);
    const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
    expect(() => parseJson(deep(128), 'x')).not.toThrow();
    expect(() => parseJson(deep(129), 'captions.json')).toThrow(
      'captions.json: expected at most 128 levels of nesting in JSON, got more; mend the file or write it again',
    );
    expect(() => parseJson(deep(1_000_000), 'x')).toThrow(FormatError);
  });

  it('names other encodings and shows what came', () => {
    expect(() => parseJson(Uint8Array.of(0xff, 0xfe, 0x7b, 0), 'recipe.json')).toThrow(
      'recipe.json: expected JSON in UTF-8, got UTF-16; save it as UTF-8',
    );
    expect(() => parseJson(Uint8Array.of(0x7b, 0xff), 'recipe.json')).toThrow(
      'recipe.json: expected JSON in UTF-8, got other bytes; mend the file or write it again',
    );
    expect(() => parseJson('nope', 'recipe.json', { remedy: 'write it again' })).toThrow(
      'recipe.json: expected JSON, got "nope" at 1:1; write it again',
    );
    expect(() => parseJson('', 'recipe.json')).toThrow(
      'recipe.json: expected JSON, got the end of the text at 1:1; mend the file or write it again',
    );
  });

  it.each(['NaN', 'Infinity', '-Infinity', 'nan', '-inf'])(
    'names %s with its place and what to write',
    (got) => {
      expect(() => parseJson(`\ufeff{\n  "NaN": [1, ${got}]\n}`, 'nan.json', { remedy: 'not said' })).toThrow(
        `nan.json: expected JSON, got ${got} at 2:14; write null there (Python: json.dumps(..., allow_nan=False) finds the places)`,
      );
    },
  );

  it('counts lines from that of the text in its file', () => {
    expect(() => parseJson('{"a": NaN}', 'a.jsonl, line 12', { line: 12 })).toThrow(
      'a.jsonl, line 12: expected JSON, got NaN at 12:7; write null there',
    );
  });
});

describe('what Python writes and JSON does not have', () => {
  const text = '{"area":NaN,"score":[-Infinity, Infinity],"text":"NaN \\"Infinity, NaN","n":-1}';

  it('is named with its place, or read as null', () => {
    expect(() => parseJson(text, 'boxes.json')).toThrow(
      'boxes.json: expected JSON, got NaN at 1:9; write null there (Python: json.dumps(..., allow_nan=False) finds the places)',
    );
    expect(parseJson(text, 'x', { nonFinite: 'null' })).toEqual({
      area: null,
      score: [null, null],
      text: 'NaN "Infinity, NaN',
      n: -1,
    });
    expect(() => parseJson('{"a":NaN,}', 'x', { nonFinite: 'null' })).toThrow('got "}" at 1:11; mend');
    expect(() => parseJson('{"a":"NaN', 'x', { nonFinite: 'null' })).toThrow(FormatError);
  });

  it('names a comma behind a value, and Python in place of JSON', () => {
    expect(() => parseJson('{"a":1},', 'rows.jsonl, line 1')).toThrow(
      'rows.jsonl, line 1: expected JSON, got a comma at the end, at 1:8; leave it out',
    );
    expect(() => parseJson("{'a': 1}", 'x')).toThrow(
      'got "\'a\': 1}" at 1:2; write it as JSON (Python: json.dumps, not str)',
    );
  });
});

describe('the budget of parseJson', () => {
  it('counts text and values before anything is parsed', () => {
    // 8 characters of 2 bytes and 3 values (the list and its two) of 64: 208 bytes.
    const text = '[1, "ab"]'.replace(' ', '');
    expect(parseJson(text, 'x', { jsonBytes: 208 })).toEqual([1, 'ab']);
    expect(() => parseJson(text, 'a.json', { jsonBytes: 207 })).toThrow(
      'a.json: expected at most 207 bytes (budget jsonBytes), got 208; raise the budget if that is meant',
    );
    expect(() => parseJson(`[${'[],'.repeat(1e6)}0]`, 'x', { jsonBytes: 2 ** 26 })).toThrow(FormatError);
  });
});

describe('excerpt', () => {
  it('shows small values as JSON', () => {
    expect(excerpt({ a: [1, 'x', null] })).toBe('{"a":[1,"x",null]}');
    expect([excerpt(undefined), excerpt(NaN), excerpt('t')]).toEqual(['nothing', 'NaN', '"t"']);
  });

  it('bounds depth, width and length', () => {
    let deep: unknown = 0;
    for (let i = 0; i < 100_000; i += 1) deep = [deep];
    expect(excerpt(deep)).toBe('[[[[…]]]]');
    expect(excerpt(Array.from({ length: 1e5 }, (_, i) => i % 10))).toBe('[0,1,2,3,4,5,6,7,…]');
    expect(excerpt('a'.repeat(1e6)).length).toBeLessThan(90);
  });
});
