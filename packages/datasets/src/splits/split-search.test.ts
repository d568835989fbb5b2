import { describe, expect, it } from 'vitest';
import { SplitSearch, type FoundSplits } from './split-search.ts';

/** Rows as columns; the first is that of images. */
const search = (columns: Readonly<Record<string, readonly unknown[]>>): FoundSplits => {
  const splitSearch = new SplitSearch(['image']);
  const [first = []] = Object.values(columns);
  for (const row of first.keys())
    splitSearch.addRow(
      Object.entries(columns).map(([name, values]) => ({ key: name, name, value: values[row] })),
    );
  return splitSearch.resolve();
};

const image = ['train', 'test', 'valid'];

describe('search for splits', () => {
  it('follows columns called so, however their words are parted', () => {
    const names = [
      'split',
      'Split',
      'data set',
      'Data-Set',
      'dataset',
      'partition',
      'fold',
      'usage',
      'is_train',
    ];
    for (const name of names) {
      expect(search({ image, [name]: ['train', 'valid', 'test'] })).toEqual({
        followed: true,
        splits: ['train', 'validation', 'test'],
        notes: [],
        key: name,
      });
    }
    expect(search({ image, set: ['a', 'b', 'c'], subset: ['dev', 'train', 'extra'] })).toMatchObject({
      key: 'subset',
      notes: [
        'column "set" is not followed: its values (a, b, c) name no splits; set splitColumn to follow it all the same',
      ],
    });
  });

  it('follows a column of any name whose values are all splits, and says so', () => {
    expect(search({ image, used_for: ['train', 'eval', 'dev'], label: ['a', 'b', 'c'] })).toEqual({
      followed: true,
      splits: ['train', 'validation', 'test'],
      notes: [
        'column "used_for" is followed, since its values name splits (train, validation, test); set splitColumn to "" to draw them instead',
      ],
      key: 'used_for',
    });
    const none = { followed: false, splits: [], notes: [] };
    expect(search({ image, kind: ['train', 'bus', 'test'] })).toEqual(none);
    expect(search({ image, kind: ['bus', 'train', 'test'] })).toEqual(none);
  });

  it.each([
    [['train', 'train', 'train'], 'train'],
    [['dev', 'test', 'test'], 'validation, test'],
    [['train', '', 'test'], 'train, test'],
    [['train', undefined, 'test'], 'train, test'],
  ])('names a column that may or may not be of splits: %s', (values, splits) => {
    expect(search({ image, x: values })).toEqual({
      followed: false,
      splits: [],
      notes: [
        `column "x" is not used, though its values name splits (${splits}); set splitColumn to it to follow it`,
      ],
    });
  });

  it.each([
    ['is_train', ['1', '0', '1'], '1, 0'],
    ['isTest', ['True', 'False', 'True'], 'True, False'],
    ['is_valid', [true, false, true], 'true, false'],
    ['is_training_img', [1, 0, 1], '1, 0'],
    ['fold', ['0', '1', '2'], '0, 1, 2'],
    ['kfold', [0, 1, 1], '0, 1'],
    ['Usage', ['Public', 'Private', 'Public'], 'Public, Private'],
  ])('names %s, which says something of splits but not which', (name, values, shown) => {
    expect(search({ image, [name]: values }).notes).toEqual([
      `column "${name}" is not followed: its values (${shown}) name no splits; write train, validation or test for each of them to follow it`,
    ]);
  });

  it('takes one of two columns and names the other', () => {
    expect(search({ image, x: ['train', 'dev', 'dev'], split: ['train', 'test', 'test'] })).toEqual({
      followed: true,
      splits: ['train', 'test'],
      notes: [
        'column "x" is not used, though its values name splits (train, validation); set splitColumn to it to follow it',
      ],
      key: 'split',
    });
  });
});
