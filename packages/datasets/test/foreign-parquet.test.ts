import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openArrowTable } from '@polygate/stream';
import { openParquetFile } from '../src/parquet/parquet-file.ts';
import { describeType, plainValue } from '../src/values/value-type.ts';

const fixtures = join(import.meta.dirname, 'fixtures');
const record = JSON.parse(readFileSync(join(fixtures, 'parquet.json'), 'utf8')) as {
  readonly files: readonly string[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
};

/** As the record has it: bytes as base64, what is missing as null. */
const plain = (value: unknown): unknown => {
  const cell = plainValue(value);
  if (cell === undefined) return null;
  if (cell instanceof Uint8Array) return `bytes:${Buffer.from(cell).toString('base64')}`;
  if (Array.isArray(cell)) return cell.map(plain);
  if (typeof cell !== 'object') return cell;
  return Object.fromEntries(Object.entries(cell as object).map(([key, each]) => [key, plain(each)]));
};

describe('Parquet files that pyarrow wrote', () => {
  it.each(record.files)('hold the values that pyarrow reads: %s', async (name) => {
    const file = await openParquetFile(join(fixtures, 'parquet', name));
    expect(file.rows).toBe(record.rows.length);
    const names = file.columns.map((column) => column.name);
    const rows: Record<string, unknown>[] = [];
    for await (const group of file.groups(names)) {
      expect(group.start).toBe(rows.length);
      for (let row = 0; row < group.length; row += 1)
        rows.push(Object.fromEntries(names.map((each) => [each, plain(group.columns.get(each)?.(row))])));
    }
    expect(rows).toEqual(record.rows);
  });

  it('have the types that their schema says', async () => {
    const file = await openParquetFile(join(fixtures, 'parquet', 'words-1.0.parquet'));
    const types = Object.fromEntries(file.columns.map(({ name, type }) => [name, describeType(type)]));
    expect(types).toMatchObject({
      image: '{ bytes, path }',
      images: 'list of { bytes, path }',
      label: 'number',
      truth: 'boolean',
      text: 'text',
      captions: 'list of text',
      nested: 'list of list of number',
      time: 'other',
    });
  });

  it('are read a row group at a time, of the wanted columns alone', async () => {
    const file = await openParquetFile(join(fixtures, 'parquet', 'words-1.0.parquet'));
    const lengths: number[] = [];
    for await (const { length, columns } of file.groups(['label', 'image'])) {
      lengths.push(length);
      expect([...columns.keys()].sort()).toEqual(['image', 'label']);
    }
    expect(lengths).toEqual([12, 12, 6]);
  });
});

describe('Arrow files that pyarrow wrote', () => {
  it.each([
    ['stream.arrow', [12, 12, 6]],
    ['packed.feather', [20, 10]],
  ])('hold the values that pyarrow reads: %s', async (name, expected) => {
    const table = await openArrowTable(join(fixtures, 'arrow', name));
    const names = table.columns.map((column) => column.name);
    expect(names).toHaveLength(17);
    const rows: Record<string, unknown>[] = [];
    const lengths: number[] = [];
    for await (const { start, length, columns } of table.batches(names)) {
      expect(start).toBe(rows.length);
      lengths.push(length);
      for (let row = 0; row < length; row += 1)
        rows.push(Object.fromEntries(names.map((each) => [each, plain(columns.get(each)?.(row))])));
    }
    expect(lengths).toEqual(expected);
    const wanted = record.rows.map(({ decimal: _, time: __, day: ___, ...row }) => row);
    expect(rows).toEqual(wanted);
  });

  it('give single columns without the bytes of others', async () => {
    const table = await openArrowTable(join(fixtures, 'arrow', 'stream.arrow'), { groupBytes: 400 });
    let rows = 0;
    for await (const { length, columns } of table.batches(['label'])) {
      expect([...columns.keys()]).toEqual(['label']);
      rows += length;
    }
    expect(rows).toBe(record.rows.length);
    const all = async (): Promise<void> => {
      for await (const _ of table.batches(['image', 'images', 'large', 'double', 'text']));
    };
    await expect(all()).rejects.toThrow(/expected at most 400 bytes \(budget groupBytes\)/u);
  });

  it.each([
    ['text', Buffer.from('image,label\na,b\n'), /expected an Arrow file that can be read, got/u],
    ['nothing', Buffer.alloc(0), /got no schema$/u],
    [
      'a stream cut short',
      readFileSync(join(fixtures, 'arrow', 'stream.arrow')).subarray(0, 6000),
      /where \d+ are left$/u,
    ],
    [
      'a stream without the mark of its end',
      readFileSync(join(fixtures, 'arrow', 'stream.arrow')).subarray(0, -8),
      /got the end of the file without the mark that ends a stream$/u,
    ],
  ])('%s is a FormatError', async (_, bytes, text) => {
    const folder = await mkdtemp(join(tmpdir(), 'polygate-arrow-'));
    const path = join(folder, 'data.arrow');
    await writeFile(path, bytes);
    const readAll = async (): Promise<void> => {
      const table = await openArrowTable(path);
      for await (const _ of table.batches(['label']));
    };
    await expect(readAll()).rejects.toMatchObject({
      name: 'FormatError',
      message: expect.stringMatching(text),
    });
    await rm(folder, { recursive: true });
  });
});

describe('Parquet files that are none, or damaged', () => {
  let root = '';
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'polygate-parquet-'));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));
  const whole = readFileSync(join(fixtures, 'parquet', 'plain-1.0.parquet'));
  const readAll = async (bytes: Uint8Array, budgets = {}): Promise<void> => {
    const path = join(root, 'table.parquet');
    await writeFile(path, bytes);
    const file = await openParquetFile(path, budgets);
    for await (const _ of file.groups(file.columns.map(({ name }) => name)));
  };
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(whole);
    copy[at] = value;
    return copy;
  };

  it.each([
    [
      'text',
      Buffer.from('a,b\n1,2\n3,4\n'),
      /^table\.parquet: expected a Parquet file that can be read, got another format; /u,
    ],
    ['nothing', Buffer.alloc(0), /got 0 bytes, which is too short/u],
    [
      'a file cut short',
      whole.subarray(0, 5000),
      /got one that ends before its footer; fetch or write it again$/u,
    ],
    [
      'an encrypted file',
      Buffer.concat([Buffer.from('PARE'), Buffer.alloc(20), Buffer.from('PARE')]),
      /got an encrypted file/u,
    ],
    ['a footer longer than the file', changed(whole.length - 5, 0x7f), /got a footer of \d+ bytes in \d+$/u],
    [
      'a page whose bytes changed',
      changed(100, 0xee),
      /got column "image\.bytes": a page that fails its checksum/u,
    ],
  ])('%s: a FormatError says so', async (_, bytes, text) => {
    await expect(readAll(bytes)).rejects.toMatchObject({
      name: 'FormatError',
      code: 'parquet',
      message: expect.stringMatching(text),
    });
  });

  it('are bounded by the budget of a row group', async () => {
    await expect(readAll(whole, { groupBytes: 2000 })).rejects.toThrow(
      /expected at most 2000 bytes \(budget groupBytes\)/u,
    );
  });
});
