import { ConfigError } from '@polygate/core';
import { describe, expect, it } from 'vitest';
import type { ReaderItem } from '../samples/sample.ts';
import { featuresOf } from './features.ts';
import { paragraphsOf } from './value-cells.ts';
import { openValueTable, type ValueReaderOptions } from './value-reader.ts';
import type { ValueTable } from './value-table.ts';
import type { ValueColumn, ValueType } from './value-type.ts';

type Cells = Readonly<Record<string, readonly unknown[]>>;

const image: ValueType = { struct: new Map([['bytes', 'bytes'] as const, ['path', 'text'] as const]) };
const types: Readonly<Record<string, ValueType>> = {
  image,
  label: 'number',
  text: 'text',
  captions: { list: 'text' },
  file_name: 'text',
  split: 'text',
  other: 'other',
  class: 'bytes',
  category: 'other',
  fine_label: 'number',
  coarse_label: 'number',
  key: 'text',
};
const pixels = (n: number) => ({ bytes: Uint8Array.of(n), path: `${n}.png` });

/** A table in memory: each file has columns of cells, in stretches of two rows. */
const tableOf = (
  files: readonly {
    readonly id: string;
    readonly split?: string;
    readonly cells: Cells;
    readonly features?: object;
  }[],
): ValueTable => ({
  name: 'table',
  parts: files.map(({ cells, features = {}, ...part }) => ({
    ...part,
    folder: '.',
    columns: Object.keys(cells).map((name): ValueColumn => ({ name, type: types[name] ?? 'text' })),
    features: featuresOf(features),
    async *groups(wanted) {
      const length = Object.values(cells)[0]?.length ?? 0;
      for (let start = 0; start < length; start += 2) {
        const columns = wanted.map((name) => [name, (row: number) => cells[name]?.[start + row]] as const);
        yield { start, length: Math.min(2, length - start), columns: new Map(columns) };
      }
    },
  })),
});

const read = async (table: ValueTable, options: ValueReaderOptions = {}) => {
  const opened = await openValueTable(table, options);
  const items: ReaderItem[] = [];
  for await (const item of opened.reader.read()) items.push(item);
  return { ...opened, items };
};

const faults = (items: readonly ReaderItem[]) =>
  items.flatMap((item) => (item.kind === 'fault' ? [`${item.id} ${item.code}`] : []));

describe('a table of values', () => {
  it('takes kind, columns and classes from what the columns are', async () => {
    const features = { image: { _type: 'Image' }, label: { _type: 'ClassLabel', names: ['zebra', 'ant'] } };
    const cells = { image: [pixels(1), pixels(2), pixels(3)], label: [1n, 0n, 1n], other: [1, 2, 3] };
    const { kind, reader, items } = await read(tableOf([{ id: 'a', cells, features }]));
    expect(kind).toBe('labelled-image');
    expect(reader.classes).toEqual(['zebra', 'ant']);
    expect(items).toEqual([
      { kind: 'sample', id: 'a/0', image: { kind: 'bytes', bytes: Uint8Array.of(1) }, label: 1 },
      { kind: 'sample', id: 'a/1', image: { kind: 'bytes', bytes: Uint8Array.of(2) }, label: 0 },
      { kind: 'sample', id: 'a/2', image: { kind: 'bytes', bytes: Uint8Array.of(3) }, label: 1 },
    ]);
  });

  it('finds classes among numbers and names where no features say them', async () => {
    const { reader, items } = await read(
      tableOf([{ id: 'a', cells: { image: [pixels(1), pixels(2), pixels(3)], label: [10, 9, null] } }]),
    );
    expect(reader.classes).toEqual(['9', '10']);
    expect(items.map((item) => (item.kind === 'sample' ? item.label : item.code))).toEqual([
      1,
      0,
      'no-label',
    ]);
  });

  it('reports cells that are missing or something else, each by its reason', async () => {
    const cells = {
      image: [pixels(1), null, { bytes: null, path: null }, pixels(4), pixels(5), pixels(6)],
      captions: [['one', ' two '], ['x'], ['x'], [], ['ok', ''], [Uint8Array.of(255)]],
    };
    const { kind, items } = await read(tableOf([{ id: 'a', cells }]));
    expect(kind).toBe('captioned-image');
    expect(items[0]).toMatchObject({ id: 'a/0', texts: ['one', 'two'] });
    expect(faults(items)).toEqual([
      'a/1 no-image',
      'a/2 no-image',
      'a/3 empty-text',
      'a/4 empty-text',
      'a/5 bad-text',
    ]);
  });

  it('keeps texts within their budget', async () => {
    const cells = { text: ['short', 'x'.repeat(100)] };
    const { kind, items } = await read(tableOf([{ id: 'a', cells }]), { budgets: { textBytes: 50 } });
    expect(kind).toBe('text');
    expect(items[1]).toMatchObject({
      code: 'text-too-long',
      reason: expect.stringContaining('budget textBytes'),
    });
  });

  it('follows files, else a column of splits, and leaves splits without any label out', async () => {
    const features = { label: { _type: 'ClassLabel', names: ['bad', 'good'] } };
    const files = [
      { id: 'train.parquet', split: 'train', cells: { text: ['a', 'b'], label: [0, 1] }, features },
      { id: 'test.parquet', split: 'test', cells: { text: ['c', 'd'], label: [-1, -1] }, features },
    ];
    const byFile = await read(tableOf(files));
    expect(byFile.reader.splits).toEqual(['train']);
    expect(byFile.reader.notes).toEqual([
      'the split test is left out: none of its 2 rows has a label in "label"',
    ]);
    expect(faults(byFile.items)).toEqual(['test no-labels-in-split']);
    expect(byFile.items.filter(({ kind }) => kind === 'sample')).toHaveLength(2);
    const cells = { text: ['a', 'b', 'c'], label: [0, 1, 1], split: ['train', 'dev', 'nan'] };
    const byColumn = await read(tableOf([{ id: 'a', cells }]));
    expect(byColumn.reader.splits).toEqual(['train', 'validation']);
    expect(faults(byColumn.items)).toEqual(['a/2 no-split']);
  });

  it('joins rows that name one file, and finds it below the folder of images', async () => {
    const cells = { file_name: ['cat.png', 'dog.png', 'cat.png'], text: ['a cat', 'a dog', 'the cat'] };
    const { items } = await read(tableOf([{ id: 'a', cells }]), {
      kind: 'captioned-image',
      images: '/nowhere',
    });
    expect(items).toMatchObject([
      { id: 'dog.png', texts: ['a dog'], image: { kind: 'path' } },
      { id: 'cat.png', texts: ['a cat', 'the cat'] },
    ]);
  });

  it('refuses what it can not tell, listing the columns with their types', async () => {
    const refused = async (cells: Cells, options: ValueReaderOptions = {}, features: object = {}) => {
      const error = await openValueTable(tableOf([{ id: 'a', cells, features }]), options).catch(
        (e: unknown) => e,
      );
      expect(error).toBeInstanceOf(ConfigError);
      return (error as Error).message;
    };
    expect(await refused({ image: [pixels(1)], label: [1], text: ['x'] })).toBe(
      'table: expected images with either labels or captions, got the columns "image" ({ bytes, path }), "label" (number), "text" (text); set kind to "labelled-image" (label) or "captioned-image" (text)',
    );
    const names = { _type: 'ClassLabel', names: ['a'] };
    expect(
      await refused(
        { image: [pixels(1)], fine_label: [0], coarse_label: [0] },
        {},
        { fine_label: names, coarse_label: names },
      ),
    ).toMatch(/expected one column of labels, got the columns .*; set labelColumn to it$/u);
    expect(await refused({ image: [pixels(1)], class: [1] }, { kind: 'labelled-image' })).toMatch(
      /expected one column of labels, got the columns .*; "class" holds bytes, which may be texts: write its values as texts or numbers, or set labelColumn to another$/u,
    );
    expect(await refused({ image: [pixels(1)], category: [1] }, { kind: 'labelled-image' })).toMatch(
      /; "category" holds dates, times or the like: write its values as texts or numbers/u,
    );
    expect(await refused({ other: [1] })).toMatch(
      /^table: expected a column of images or texts, got the columns "other"/u,
    );
    expect(await refused({ text: ['x'], label: [null] })).toMatch(
      /expected labels in column "label", got none/u,
    );
    expect(await refused({ text: ['x'] }, { textColumns: ['txt'] })).toMatch(/it has none of that name/u);
  });

  it('refuses files that differ in what is read', async () => {
    const feature = (names: readonly string[]) => ({ label: { _type: 'ClassLabel', names } });
    const cells = { text: ['x'], label: [0] };
    const table = tableOf([
      { id: 'a', cells, features: feature(['x', 'y']) },
      { id: 'b', cells, features: feature(['y', 'x']) },
    ]);
    await expect(openValueTable(table)).rejects.toThrow(
      'table: expected files with the same classes, got ["x","y"] in a and ["y","x"] in b; give them as sources of their own',
    );
    const other = tableOf([
      { id: 'a', cells },
      { id: 'b', cells: { text: ['x'] } },
    ]);
    await expect(openValueTable(other, { classes: ['p', 'q'] })).rejects.toThrow(
      /expected files of the same columns, got number in column "label" of a and nothing in b/u,
    );
  });
});

describe('features of datasets', () => {
  it('are read in the forms of all versions, and left out where they are damaged', () => {
    const features = featuresOf({
      old: { feature: { dtype: 'string', _type: 'Value' }, length: -1, _type: 'Sequence' },
      new: { feature: { _type: 'Image' }, _type: 'List' },
      plain: [{ dtype: 'string', _type: 'Value' }],
      unnamed: { num_classes: 2, _type: 'ClassLabel' },
      huge: { num_classes: 1e9, _type: 'ClassLabel' },
      bad: 7,
    });
    expect(Object.fromEntries(features)).toEqual({
      old: { type: 'List', items: { type: 'Value' } },
      new: { type: 'List', items: { type: 'Image' } },
      plain: { type: 'List', items: { type: 'Value' } },
      unnamed: { type: 'ClassLabel', classes: ['0', '1'] },
      huge: { type: 'ClassLabel' },
    });
  });
});

describe('paragraphs', () => {
  it('are parted by blank lines, and their lines joined', () => {
    expect(paragraphsOf('one\r\ntwo\n\n \nthree\n')).toEqual(['one two', 'three']);
  });
});
