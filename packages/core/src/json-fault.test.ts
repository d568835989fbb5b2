import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonFault } from './json-fault.ts';

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

describe('jsonFault', () => {
  it.each([
    ['{"a": 1,}', 1, 9, '}'],
    ['[1 2]', 1, 4, '2'],
    ["{'a': 1}", 1, 2, "'a': 1}"],
    ['{"a" 1}', 1, 6, '1'],
    ['[1]\r\n[2]', 2, 1, '[2]'],
    ['[\n\r01]', 3, 1, '01'],
    ['{"a":\n  True}', 2, 3, 'True'],
    ['["a\tb"]', 1, 2, '"a\tb"]'],
    ['[1, // note\n2]', 1, 5, '// note\n2]'],
    ['{"a": [1', 1, 9, ''],
    ['[1}', 1, 3, '}'],
  ])('of %j is at %d:%d', (text, line, column, token) => {
    expect(jsonFault(text)).toEqual({ line, column, token });
  });

  it('reads strings and nesting of any length', () => {
    const long = 'a\\n'.repeat(4e6);
    expect(jsonFault(`["${long}", NaN]`)).toEqual({ line: 1, column: long.length + 6, token: 'NaN' });
    expect(jsonFault('['.repeat(1e6))).toEqual({ line: 1, column: 1e6 + 1, token: '' });
  });

  it('finds a fault exactly where JSON.parse refuses', () => {
    const pieces = [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"\\u00e9"',
      '"\\x"',
      '1',
      '-0',
      '01',
      '1.',
      '2e5',
      ' ',
      '\n',
    ];
    const words = ['true', 'null', 'NaN', 'nul', 'truefalse', '"', '\u00a0'];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces, ...words), { maxLength: 9 }), (parts) => {
        const text = parts.join('');
        expect([text, jsonFault(text) === undefined]).toEqual([text, isJson(text)]);
      }),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.constantFrom(...pieces, ...words, ''), (json, offset, piece) => {
        const at = offset % (json.length + 1);
        const text = json.slice(0, at) + piece + json.slice(at + 1);
        expect([text, jsonFault(text) === undefined]).toEqual([text, isJson(text)]);
      }),
    );
  });
});
