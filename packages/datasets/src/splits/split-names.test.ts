import { describe, expect, it } from 'vitest';
import { canonicalSplit, knownSplit, orderSplits, SplitFinder, splitOfFile } from './split-names.ts';

describe('split names', () => {
  it('knows the usual spellings', () => {
    expect(['train', 'Training', 'TRAIN2017', 'train_2014'].map(knownSplit)).toEqual(Array(4).fill('train'));
    expect(['val', 'valid', 'Validation', 'dev', 'val2017'].map(knownSplit)).toEqual(
      Array(5).fill('validation'),
    );
    expect(['test', 'Testing'].map(knownSplit)).toEqual(['test', 'test']);
    expect(['trains', 'cat', '', 'testbed', 'constructor', 'value'].map(knownSplit)).toEqual(
      Array(6).fill(undefined),
    );
  });

  it('writes others as folder names and never as a way out', () => {
    expect(['Hold out', '../../etc', '__proto__', '\u5206', ' '].map(canonicalSplit)).toEqual([
      'hold-out',
      'etc',
      'proto',
      undefined,
      undefined,
    ]);
    expect(orderSplits(['b', 'test', 'a', 'train', 'b'])).toEqual(['train', 'test', 'b', 'a']);
  });

  it('reads names of files', () => {
    expect(['train-00001.tar', 'coco.val.tar.gz', '00001.tar'].map(splitOfFile)).toEqual([
      'train',
      'validation',
      undefined,
    ]);
  });

  it('follows a column that names splits, says so of one that does not, and obeys who asks', () => {
    const finder = (values: readonly unknown[]): SplitFinder => {
      const made = new SplitFinder();
      values.forEach((value) => made.add(value));
      return made;
    };
    expect(finder(['val', 'train', null, 'extra']).resolve('split', false)).toEqual({
      followed: true,
      splits: ['train', 'validation', 'extra'],
      notes: [],
    });
    expect(finder([1, true]).resolve('set', true)).toEqual({
      followed: false,
      splits: [],
      notes: [
        'column "set" is not followed: its values (1, true) name no splits; write train, validation or test for each of them to follow it',
      ],
    });
    expect(finder(['a']).resolve('set', false).notes).toEqual([
      'column "set" is not followed: its values (a) name no splits; set splitColumn to follow it all the same',
    ]);
    expect(finder(['a', 'B c']).resolve('set', true).splits).toEqual(['a', 'b-c']);
  });
});
