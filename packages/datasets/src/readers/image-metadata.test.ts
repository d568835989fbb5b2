import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openImageMetadata } from './image-metadata.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-metadata-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));
const put = async (files: Readonly<Record<string, string>>): Promise<void> => {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
};
const read = async () => {
  const opened = await openImageMetadata({ path: root });
  const items: string[] = [];
  for await (const item of opened.reader.read())
    items.push(
      item.kind === 'fault'
        ? `${item.id}: ${item.code}`
        : `${item.split ?? ''} ${item.id} ${item.texts?.join('|') ?? ''}`,
    );
  return { ...opened, items };
};

describe('images with metadata', () => {
  it('follow the folders of splits that names begin with, and tell of images without a row', async () => {
    await put({
      'metadata.csv': 'file_name,text\ntrain/a.svg,one\ntest\\b.svg,two\nother/c.svg,three\n',
      'train/a.svg': '',
      'test/b.svg': '',
      'other/c.svg': '',
      'train/d.svg': '',
    });
    const { kind, reader, items } = await read();
    expect(kind).toBe('captioned-image');
    expect(reader.splits).toEqual(['train', 'test']);
    expect(items).toEqual(['train train/a.svg one', 'test test/b.svg two', 'metadata.csv/line 4: no-split']);
    expect(reader.notes).toEqual(['1 of 4 images have no row in metadata.csv: left out']);
  });

  it('follow folders of splits, and tell of a column that says another split', async () => {
    await put({
      'train/metadata.csv': 'file_name,text,split\na.svg,one,train\nb.svg,two,test\nc.svg,three,\n',
      'train/a.svg': '',
      'train/b.svg': '',
      'train/c.svg': '',
      'valid/metadata.csv': 'file_name,text,split\nd.svg,four,validation\n',
      'valid/d.svg': '',
    });
    const { reader, items } = await read();
    expect(items).toEqual([
      'train train/a.svg one',
      'train train/b.svg two',
      'train train/c.svg three',
      'validation valid/d.svg four',
    ]);
    expect(reader.notes).toEqual([
      'train/metadata.csv: 1 row says another split in the column "split" (test) than its folder (train), which is followed; set splitColumn to "split" to follow the column',
    ]);
  });

  it('report rows that can not be read, by their line', async () => {
    await put({
      'metadata.jsonl':
        '{"file_name":"a.svg","text":["one","two"]}\n{"file_name":\n\n{"file_name":"../b.svg","text":"x"}\n{"text":"y"}\n',
      'a.svg': '',
    });
    expect((await read()).items).toEqual([
      'metadata.jsonl, line 2: bad-json',
      ' a.svg one|two',
      '../b.svg: path-outside',
      'metadata.jsonl/line 5: no-image',
    ]);
  });

  it('tell of images without a row, also where as many rows lack a file', async () => {
    await put({ 'metadata.csv': 'file_name,text\na.svg,one\ngone.svg,two\n', 'a.svg': '', 'b.svg': '' });
    expect((await read()).reader.notes).toEqual(['1 of 2 images have no row in metadata.csv: left out']);
  });

  it('are refused where only some tables lie in folders of splits', async () => {
    const table = 'file_name,text\na.svg,one\n';
    for (const folder of ['train', 'test', 'more'])
      await put({ [`${folder}/metadata.csv`]: table, [`${folder}/a.svg`]: '' });
    await expect(read()).rejects.toThrow(
      /expected tables in the folders of splits alone, or in none of them, got train, test and more\/metadata\.csv; move it, give the folder of one split, or set split/u,
    );
  });

  it('are told from other folders', async () => {
    await put({ 'a.svg': '' });
    await expect(read()).rejects.toThrow(
      /expected metadata\.csv, metadata\.jsonl or metadata\.parquet .*, got none; give another/u,
    );
    await put({ 'train/metadata.csv': 'name,text\na.svg,x\n' });
    await expect(read()).rejects.toThrow(
      'train/metadata.csv: expected a column "file_name" of the names of images, got the columns name, text; rename it, or set imageColumn',
    );
    await put({ 'metadata.jsonl': '{}' });
    await expect(read()).rejects.toThrow(/one kind of them, got \.jsonl and \.csv; leave one kind$/u);
  });
});
