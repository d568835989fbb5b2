import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { StateError } from '../errors.ts';
import { makeFolder } from './folders.ts';

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free space or choose another folder',
  EDQUOT: 'the disk quota is used up; free space or choose another folder',
  EACCES: 'the folder is not writable; change its permissions or choose another folder',
  EPERM: 'the folder is not writable; change its permissions or choose another folder',
  EROFS: 'the file system is read-only; choose another folder',
  EEXIST: 'a part of the path is a file; choose another folder',
  ENOTDIR: 'a part of the path is a file; choose another folder',
  ENOENT:
    'its folder is not there: it was removed or renamed meanwhile, a part of the path is a link that leads nowhere, or the file system takes no folders; put it back or choose another folder',
  EIO: 'the device reported an input/output error; check it or choose another folder',
};

/** Turns a failed write into a typed error with its remedy. */
export const writeError = (path: string, cause: unknown): StateError => {
  const code = (cause as NodeJS.ErrnoException | null)?.code ?? 'unknown';
  const remedy = remedies[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return new StateError(
    `write ${path}: expected to write the file, got ${code}: ${remedy}; nothing was changed at that name`,
    {
      code: code === 'ENOSPC' || code === 'EDQUOT' ? 'disk-full' : 'not-writable',
      fields: { path, errno: code },
      cause,
    },
  );
};

/**
 * Asks whether files can be written into a folder, or the folder be made, before work whose results go there; nothing is
 * written.
 * @throws StateError as the write would be answered
 */
export const requireWritable = async (folder: string): Promise<void> => {
  for (let at = resolve(folder); ; at = dirname(at)) {
    try {
      await access(at, constants.W_OK | constants.X_OK);
      return;
    } catch (cause) {
      const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
      if (!isMissing || at === dirname(at)) throw writeError(folder, cause);
    }
  }
};

/** Forces the names in a folder to the disk. */
export const syncDirectory = async (path: string): Promise<void> => {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** A name beside `path` that a reader never takes for the finished file. */
export const temporaryName = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);

/**
 * Writes a file so that its name holds the old or the new content, never a part: temporary name, fsync, rename,
 * fsync of the folder. @throws StateError with the remedy; the temporary file is removed.
 */
export const writeFileAtomic = async (path: string, data: string | Uint8Array): Promise<void> => {
  const temporary = temporaryName(path);
  try {
    await makeFolder(dirname(path));
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw writeError(path, cause);
  }
};

/** SHA-256 of a file, as hex, read in pieces. */
export const sha256File = async (path: string): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
};
