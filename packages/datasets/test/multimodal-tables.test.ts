/** One table of numbers, categories and gaps as pandas writes it in three formats (fixtures/make_multimodal_tables.py). */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readerNamed, type OpenedReader } from '@polygate/datasets';
import { readAll } from './support/read-all.ts';

const fixture = join(import.meta.dirname, 'fixtures', 'multimodal-tables.json');
const { files } = JSON.parse(await readFile(fixture, 'utf8')) as { readonly files: Record<string, string> };

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-multimodal-tables-'));
  for (const [name, data] of Object.entries(files))
    await writeFile(join(folder, name), Buffer.from(data, 'base64'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const put = async (name: string, text: string): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
};

const open = async (settings: Readonly<Record<string, unknown>>) => {
  const context = { key: 'k', within: [folder], budgets: {}, imageSize: 8, packages: {}, onNote: () => {} };
  const opened = await readerNamed('multimodal-table').open(settings as never, context as never);
  const { reader, ...others } = opened as OpenedReader;
  return {
    ...others,
    classes: reader.classes,
    splits: reader.splits,
    notes: reader.notes,
    items: await readAll(reader),
  };
};

describe('tables of three formats', () => {
  it('are the same samples, but for their numbers of lines', async () => {
    const [csv, ...others] = await Promise.all(
      Object.keys(files).map(async (name) => {
        const { items, ...rest } = await open({ file: join(folder, name) });
        return { ...rest, items: items.map((item) => ({ ...item, id: '' })) };
      }),
    );
    expect(csv?.settings).toEqual({
      inputs: {
        table: {
          modality: 'table',
          form: 'values',
          shape: [4],
          columns: [
            { name: 'age', kind: 'number' },
            { name: 'score', kind: 'number' },
            { name: 'ward', kind: 'category', values: ['north', 'south', 'west'] },
            { name: 'smoker', kind: 'category', values: ['false', 'true'] },
          ],
        },
      },
    });
    expect(csv?.classes).toEqual(['ill', 'well']);
    expect(csv?.notes?.[0]).toContain('column "PatientId" is not read');
    expect(csv?.items).toHaveLength(24);
    expect(others).toEqual([csv, csv]);
  });

  it('leave out lines that hold no object, and read what a row lacks as missing', async () => {
    const file = await put(
      'rows.jsonl',
      '{"a":1,"label":"x"}\n[1]\n{"label":"y","a":null,"b":"no"}\n{"a":\n{"b":"no","label":"x"}\n',
    );
    const { items, settings } = await open({ file, columns: ['a', 'b'] });
    expect(settings).toMatchObject({ inputs: { table: { columns: [{ name: 'a' }, { name: 'b' }] } } });
    expect(items).toMatchObject([
      { id: 'line 1', contents: { table: { values: Float64Array.of(1, Number.NaN) } }, label: 0 },
      { id: 'line 2', code: 'bad-json', reason: 'expected a JSON object, got [1]' },
      { id: 'line 3', contents: { table: { values: Float64Array.of(Number.NaN, 0) } }, label: 1 },
      { id: 'line 4', code: 'bad-json' },
      { id: 'line 5', label: 0 },
    ]);
    await expect(open({ file: await put('none.jsonl', '\n') })).rejects.toThrow(
      'expected a JSON object on each line, got an empty file; write each row as an object on a line of its own',
    );
  });

  it('are read as one where there are several, with the splits that their names say', async () => {
    const train = await put('train.csv', 'a,label\n1,x\n2,y\n');
    const test = await put('test.csv', 'label,a\nz,3\n');
    const { items, classes, splits } = await open({ file: [train, test] });
    expect([classes, splits]).toEqual([
      ['x', 'y', 'z'],
      ['train', 'test'],
    ]);
    expect(items).toMatchObject([
      { id: 'train.csv line 2', split: 'train' },
      { id: 'train.csv line 3', split: 'train' },
      { id: 'test.csv line 2', split: 'test', label: 2, contents: { table: { values: Float64Array.of(3) } } },
    ]);
    await expect(open({ file: [train, await put('other.csv', 'label,b\nx,1\n')] })).rejects.toThrow(
      'without "a"; name tables of the same columns',
    );
  });

  it('leave out a column that counts the rows, and tell of texts that are read as categories', async () => {
    // 8 rows; `year` leaves out 2004, so that it counts nothing; `note` has 7 texts in 8 rows, of which one comes twice.
    const years = [2000, 2001, 2002, 2003, 2005, 2006, 2007, 2008];
    const rows = years.map(
      (year, at) => `${700 + at},${year},${at % 7} was seen,${['a', 'b'][at % 2]},${['x', 'y'][at % 2]}`,
    );
    const file = await put('visits.csv', ['visit,year,note,ward,label', ...rows].join('\n'));
    const read = await open({ file });
    const columnsOf = ({ settings }: typeof read): unknown =>
      (settings?.['inputs'] as { table: { columns: { name: string }[] } }).table.columns.map(
        ({ name }) => name,
      );
    expect(columnsOf(read)).toEqual(['year', 'note', 'ward']);
    expect(read.notes).toEqual([
      'column "visit" is not read: each row has another one, as names, ids and numbers of rows are; columns names those that are read',
      'column "note" is read as 7 categories, which most rows share with no other: where it is a text, set textColumn to it; columns names those that are read',
    ]);
    const asked = await open({ file, columns: ['visit', 'note'] });
    expect([columnsOf(asked), asked.notes]).toEqual([['visit', 'note'], undefined]);
  });
});
