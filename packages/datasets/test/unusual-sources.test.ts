/** Sources that people have and that no reader should take for something else. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTar } from '../src/archives/tar.ts';
import { listFolder } from '../src/files/folder-listing.ts';
import { openParquet } from '../src/readers/parquet.ts';
import { openTextFolder } from '../src/readers/text-folder.ts';
import { openVideoFolder } from '../src/readers/video-folder.ts';
import { surveyPath } from '../src/survey/survey-path.ts';
import { readAll } from './support/read-all.ts';
import { tarEnd, tarMember } from './support/tar-writer.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-unusual-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const put = async (path: string, content: string | Uint8Array = ''): Promise<string> => {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
};
const shards = join(import.meta.dirname, 'fixtures', 'shards');

describe('Parquet shards', () => {
  it('may have no rows, whatever types those have', async () => {
    const { reader, kind } = await openParquet({ files: join(shards, 'train-*.parquet') });
    expect([kind, reader.classes, reader.notes]).toEqual([
      'labelled-text',
      ['no', 'yes'],
      ['a file (train-00001-of-00002.parquet) without rows: left out'],
    ]);
    expect((await readAll(reader)).map((item) => 'texts' in item && item.texts)).toEqual([['good'], ['bad']]);
    await expect(openParquet({ files: join(shards, 'train-00001-of-00002.parquet') })).rejects.toThrow(
      'expected labels in column "label", got none',
    );
  });

  it('are refused where a column is encrypted', async () => {
    await expect(openParquet({ files: join(shards, 'encrypted.parquet') })).rejects.toThrow(
      'encrypted.parquet: expected a Parquet file that can be read, got column "label", which is encrypted; write it without encryption',
    );
  });
});

describe('folders of clips', () => {
  it('are splits or classes, not both', async () => {
    for (const split of ['train', 'test', 'bonus'])
      for (const name of ['up', 'down']) await put(`mixed/${split}/${name}/1.gif`);
    const path = join(root, 'mixed');
    await expect(openVideoFolder({ path })).rejects.toThrow(
      `video folder ${path}: expected one folder per class with clips in it, or one per split with these in it, got the splits test, train beside the folders bonus; give the folder of the splits alone`,
    );
    await rm(join(path, 'bonus'), { recursive: true });
    await mkdir(join(path, 'nothing'));
    const { classes, splits } = await openVideoFolder({ path });
    expect([classes, splits]).toEqual([
      ['down', 'up'],
      ['train', 'test'],
    ]);
  });

  it('may be classes that are called as splits are', async () => {
    for (const name of ['test', 'race']) await put(`sports/${name}/1/frame-1.png`);
    expect((await openVideoFolder({ path: join(root, 'sports') })).classes).toEqual(['race', 'test']);
  });
});

describe('texts', () => {
  it('hold no NUL, as UTF-16 without a mark does', async () => {
    await put('texts/pos/1.txt', 'fine');
    await put('texts/pos/2.txt', Buffer.from('sixteen bits', 'utf16le'));
    await put('texts/neg/1.txt', 'a\0b');
    const items = await readAll(await openTextFolder({ path: join(root, 'texts') }));
    expect(items.map((item) => ('code' in item ? [item.id, item.code] : item.id))).toEqual([
      ['neg/1.txt', 'invalid-utf8'],
      'pos/1.txt',
      ['pos/2.txt', 'invalid-utf8'],
    ]);
  });
});

describe('archives', () => {
  it('end soon after their end marker', async () => {
    const pieces = { read: 0 };
    async function* zeros(): AsyncGenerator<Uint8Array> {
      yield tarMember('a', Buffer.from('one'));
      yield tarEnd;
      for (; pieces.read < 64; pieces.read += 1) yield new Uint8Array(1 << 20);
      yield tarMember('b', Buffer.from('two'));
    }
    const paths = [];
    for await (const { path } of readTar(zeros(), { name: 'zeros.tar' })) paths.push(path);
    expect(paths).toEqual(['a']);
    expect(pieces.read).toBeLessThan(4);
  });
});

describe('a look at a folder', () => {
  it('sees the files of folders that are too many to list', async () => {
    const folders = Array.from({ length: 5003 }, (_, i) => `many/c${String(i).padStart(4, '0')}`);
    for (const folder of folders) await mkdir(join(root, folder), { recursive: true });
    await put('many/c0000/0.png');
    await put('many/c4999/0.png');
    const { files, folders: listed, complete } = await surveyPath(join(root, 'many'));
    expect([listed.length, complete]).toEqual([5000, false]);
    expect(files.map(({ id }) => id)).toEqual(['c0000/0.png', 'c4999/0.png']);
  });

  it('names a folder that can not be listed', async () => {
    const path = await put('plain/file.txt');
    await expect(listFolder(path, dirname(path))).rejects.toThrow(
      `folder ${path}: expected a folder that can be listed, got ENOTDIR; give read access to it (chmod u+rx), or leave it out of the source`,
    );
  });

  it('prefers what metadata.csv with file_name says', async () => {
    await put('described/metadata.csv', 'file_name,label\na.png,x\nb.png,y\n');
    const png = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    );
    for (const name of ['a', 'b']) await put(`described/${name}.png`, png);
    const survey = await surveyPath(join(root, 'described'));
    const { imageMetadataReader } = await import('../src/readers/image-metadata.ts');
    const { labelledTableReader } = await import('../src/readers/labelled-table.ts');
    expect(await imageMetadataReader.detect?.(survey)).toMatchObject({ fit: 'published' });
    expect(await labelledTableReader.detect?.(survey)).toMatchObject({ fit: 'sure' });
  });
});
