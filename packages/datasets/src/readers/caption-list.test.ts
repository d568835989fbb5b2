import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCaptionList } from './caption-list.ts';
import { openLabelledTable } from './labelled-table.ts';
import { openTextFolder } from './text-folder.ts';
import type { Reader } from '../samples/sample.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-lists-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));
const at = (path: string): string => join(root, path);
const put = async (files: Readonly<Record<string, string | Uint8Array>>): Promise<void> => {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(at(path)), { recursive: true });
    await writeFile(at(path), text);
  }
};
const read = async (reader: Reader): Promise<string[]> => {
  const items: string[] = [];
  for await (const item of reader.read())
    items.push(
      item.kind === 'fault'
        ? `${item.id}: ${item.code}`
        : [item.split, item.id, ...(item.texts ?? []), item.label]
            .filter((part) => part !== undefined)
            .join(' '),
    );
  return items;
};
const images = { 'i/a.jpg': '', 'i/b.jpg': '' };

describe('a list of captions', () => {
  it('joins the captions of an image and follows the lists that are named', async () => {
    await put({
      ...images,
      't.txt': 'a.jpg#0\tone , "two"\nb.jpg#0\tthree\na.jpg#1\tfour\n',
      'my.val.txt': 'a\n',
      'train.txt': 'b.jpg\n',
    });
    const reader = await openCaptionList({
      file: at('t.txt'),
      images: at('i'),
      splitFiles: [at('my.val.txt'), at('train.txt')],
    });
    expect(reader.splits).toEqual(['train', 'validation']);
    expect(await read(reader)).toEqual(['train b.jpg three', 'validation a.jpg one , "two" four']);
  });

  it('finds lists beside it, unless all rows are of one split', async () => {
    await put({ ...images, 't.txt': 'a.jpg#0\tone\nb.jpg#0\ttwo\n', 'Flickr_8k.testImages.txt': 'a.jpg\n' });
    const opened = await openCaptionList({ file: at('t.txt'), images: at('i') });
    expect(opened.notes).toEqual(['splits are those of the lists Flickr_8k.testImages.txt']);
    expect(await read(opened)).toEqual(['t.txt: no-split', 'test a.jpg one']);
    const plain = await openCaptionList({ file: at('t.txt'), images: at('i'), split: 'train' });
    expect(await read(plain)).toEqual(['a.jpg one', 'b.jpg two']);
    await expect(
      openCaptionList({ file: at('t.txt'), images: at('i'), splitFiles: [at('t.txt')] }),
    ).rejects.toThrow(
      'splitFiles: expected names that say a split, such as Flickr_8k.trainImages.txt or val.txt, got "t.txt"; rename it',
    );
  });

  it('says what to do about addresses', async () => {
    await put({
      ...images,
      'cc.tsv': 'a cat in cat.jpg\thttps://example.org/1.jpg\nb\thttps://example.org/2.jpg\n',
    });
    await expect(openCaptionList({ file: at('cc.tsv'), images: at('i') })).rejects.toThrow(
      /expected names of files, got addresses \("https:\/\/example\.org\/1\.jpg"\), which are not fetched; fetch them with img2dataset, .* or give as index a table of url and file$/u,
    );
    await put({ 'index.tsv': 'i/a.jpg\thttps://example.org/1.jpg\n' });
    const reader = await openCaptionList({ file: at('cc.tsv'), images: root, index: at('index.tsv') });
    expect(await read(reader)).toEqual(['cc.tsv: not-fetched', 'i/a.jpg a cat in cat.jpg']);
  });
});

describe('texts in folders of classes', () => {
  it('report files that are no text, and leave folders without label out', async () => {
    await put({
      'f/train/pos/1.txt': 'good\n',
      'f/train/pos/2.txt': ' \n',
      'f/train/neg/1.txt': Uint8Array.of(0xe9, 0x20),
      'f/train/neg/x.md': 'x',
      'f/train/unsup/1.txt': 'x',
      'f/test/neg/1.txt': 'bad',
    });
    const reader = await openTextFolder({ path: at('f'), budgets: { textBytes: 100 } });
    expect(reader.classes).toEqual(['neg', 'pos']);
    expect(reader.splits).toEqual(['train', 'test']);
    expect(reader.notes).toEqual([
      'train/unsup holds texts without label: left out; "without" lists such folders',
    ]);
    expect(await read(reader)).toEqual([
      'test test/neg/1.txt bad 0',
      'train/neg/1.txt: invalid-utf8',
      'train/neg/x.md: not-a-text',
      'train train/pos/1.txt good 1',
      'train/pos/2.txt: empty-text',
    ]);
    const one = { pos: 'any', neg: 'any' };
    expect((await openTextFolder({ path: at('f'), without: ['unsup'], classNames: one })).classes).toEqual([
      'any',
    ]);
  });

  it('are refused in other layouts', async () => {
    await put({ 'f/train/pos/1.txt': 'x', 'f/pos/1.txt': 'x' });
    await expect(openTextFolder({ path: at('f') })).rejects.toThrow(
      /got the splits train beside pos; give without/u,
    );
    await put({ 'g/1.txt': 'x' });
    await expect(openTextFolder({ path: at('g') })).rejects.toThrow(
      /got 0 folders without; give the folder/u,
    );
  });
});

describe('one-hot labels', () => {
  it('are read by the one column that is 1; other rows are reported', async () => {
    await put({
      ...images,
      'i/c.jpg': '',
      'i/d.jpg': '',
      't.csv': 'image,cat,dog\na.jpg,0,1\nb.jpg,1,1\nc.jpg,0,0\nd.jpg,x,1\n',
    });
    const reader = await openLabelledTable({
      file: at('t.csv'),
      images: at('i'),
      labelColumns: ['dog', 'cat'],
    });
    expect(reader.classes).toEqual(['dog', 'cat']);
    expect(await read(reader)).toEqual([
      'a.jpg 0',
      'b.jpg (line 3): several-labels',
      'c.jpg (line 4): no-label',
      'd.jpg (line 5): unknown-label',
    ]);
  });
});
