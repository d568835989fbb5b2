/**
 * One process of the test of atomic folders and locks: `node kill-at-child.mjs FOLDER CONTENT`. Under the lock of
 * FOLDER it replaces FOLDER by two files that hold CONTENT.
 */
import { acquireLock, removeTemporaries, writeDirectoryAtomic } from '@polygate/core/node';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

const [folder = '', content = ''] = process.argv.slice(2);
const lock = await acquireLock(join(dirname(folder), `.${basename(folder)}.lock`), {
  task: 'test',
  subject: folder,
});
await removeTemporaries(dirname(folder), basename(folder));
await writeDirectoryAtomic(folder, async (directory) => {
  await writeFile(join(directory, 'a'), content);
  await mkdir(join(directory, 'in'));
  await writeFile(join(directory, 'in', 'b'), content);
});
await lock.release();
