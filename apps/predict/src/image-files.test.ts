import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { imageFiles } from './image-files.ts';

let root = '';
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'polygate-images-')));
  await mkdir(join(root, 'store'));
  await mkdir(join(root, 'photos'));
  await writeFile(join(root, 'store', '1.JPG'), '');
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('imageFiles', () => {
  it('follows links to files and folders, and passes over what systems leave behind', async () => {
    const photos = join(root, 'photos');
    await symlink(join(root, 'store', '1.JPG'), join(photos, 'a.jpg'));
    await symlink(join(root, 'store', 'none.png'), join(photos, 'b.png'));
    await symlink(join(root, 'store'), join(photos, 'more'));
    await symlink(photos, join(photos, 'circle'));
    for (const junk of ['._a.jpg', 'Thumbs.db', 'notes.txt']) await writeFile(join(photos, junk), '');
    const files = await imageFiles(photos);
    expect(files.map((file) => relative(photos, file))).toEqual(['a.jpg', 'b.png', join('more', '1.JPG')]);
  });

  it('says what is there in place of images', async () => {
    await writeFile(join(root, 'photos', 'notes.txt'), '');
    await expect(imageFiles(join(root, 'photos'))).rejects.toThrow(
      'got none among 1 files such as notes.txt; give another folder',
    );
    await expect(imageFiles(join(root, 'nowhere'))).rejects.toThrow('expected a readable folder of images');
  });
});
