import { ConfigError, FormatError } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import { formatSubsetList, parseSubsetList, rowsOfList, type SubsetList } from './subset-list.ts';

const candidates = [
  { id: 'a', captions: 2 },
  { id: 'b "quoted"', captions: 1 },
  { id: 'c', captions: 3 },
  { id: 'a', captions: 2 },
];
const names = { list: 'some.json', data: 'images, train' };

describe('a list of samples', () => {
  it('is read as it was written', () => {
    const list: SubsetList = {
      dataset: 'images',
      split: 'train',
      rule: { share: 0.5, seed: 1 },
      content: 'ab',
      of: 4,
      ids: ['c', 'b "quoted"'],
      captions: [[0, 2], [0]],
      rows: [2, 1],
    };
    expect(parseSubsetList(formatSubsetList(list), 'x')).toEqual(list);
    expect(rowsOfList(candidates, list, names)).toEqual({ rows: [1, 2], captions: [[0], [0, 2]] });
  });

  it('may be a text of one id a line', () => {
    expect(parseSubsetList('c\r\na\n\n', 'x')).toEqual({ ids: ['c', 'a'] });
    // Both rows of that id are meant.
    expect(rowsOfList(candidates, { ids: ['c', 'a', 'a'] }, names)).toEqual({ rows: [0, 2, 3] });
  });

  it.each([
    ['', 'expected ids, got none'],
    ['{"ids": []}', 'expected a list "ids" of texts, got []'],
    [
      '{"ids": ["a"], "captions": [[0], [1]]}',
      'expected "captions" to have a list of numbers for each of 1 ids',
    ],
    ['{"ids": ["a"], "captions": [[-1]]}', 'expected "captions" to have'],
    ['{"ids": ["a"], "rows": [0.5]}', 'expected "rows" to have a number for each of 1 ids'],
    ['{"ids": ["a"], "content": 3}', 'expected a text "content", got 3'],
  ])('is refused: %s', (text, problem) => {
    expect(() => parseSubsetList(text, 'my.json')).toThrow(`subset list my.json: ${problem}`);
    expect(() => parseSubsetList(text, 'my.json')).toThrow('give one id a line, or {"ids": ["ID", ...]}');
    expect(() => parseSubsetList(text, 'my.json')).toThrow(FormatError);
  });

  it('names what the data have not', () => {
    const refused = (list: SubsetList, text: string) => {
      expect(() => rowsOfList(candidates, list, names)).toThrow(text);
      expect(() => rowsOfList(candidates, list, names)).toThrow(ConfigError);
    };
    refused(
      { ids: ['c', 'd', 'e'] },
      'subset list some.json: expected ids of images, train, which has 4 samples, got 2 that it has not, such as "d"; correct the list, or choose by subset.share or subset.perClass',
    );
    refused(
      { ids: ['c'], captions: [[1, 3]] },
      'subset list some.json: expected numbers of the 3 captions of "c", counted from 0, got 3; correct the list',
    );
    refused({ ids: ['c'], captions: [[]] }, 'of "c", counted from 0, got none');
    refused(
      { ids: ['c', 'c'], captions: [[0], [1]] },
      'expected the captions of each id once, got "c" twice',
    );
  });
});
