import { describe, expect, it } from 'vitest';
import { splitsOfFiles } from './file-splits.ts';

describe('splits in names of files', () => {
  it.each([
    [
      ['train-00000-of-00002.parquet', 'train-00001-of-00002.parquet', 'test-00000-of-00001.parquet'],
      ['train', 'train', 'test'],
    ],
    [['validation-00000-of-00001-0a1b2c.parquet'], ['validation']],
    [['test_hard-00000-of-00001.parquet'], ['test-hard']],
    [
      ['default/train/0000.parquet', 'default/val/0000.parquet'],
      ['train', 'validation'],
    ],
    [
      ['my_train.parquet', 'dev.parquet'],
      ['train', 'validation'],
    ],
    [['data.parquet'], [undefined]],
  ])('%j', (ids, splits) => {
    expect(splitsOfFiles(ids)).toEqual({ splits, notes: [] });
  });

  it('are not followed where files name none', () => {
    expect(splitsOfFiles(['train.parquet', 'extra.parquet'])).toEqual({
      splits: [undefined, undefined],
      notes: [
        'the splits train in names of files are not followed, since 1 of 2 files name none, extra.parquet among them',
      ],
    });
  });
});
