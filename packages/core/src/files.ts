import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StateError } from './errors.ts';

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; free space or choose another folder',
  EDQUOT: 'the disk quota is used up; free space or choose another folder',
  EACCES: 'the folder is not writable; change its permissions or choose another folder',
  EPERM: 'the folder is not writable; change its permissions or choose another folder',
  EROFS: 'the file system is read-only; choose another folder',
  EEXIST: 'a part of the path is a file; choose another folder',
  ENOTDIR: 'a part of the path is a file; choose another folder',
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

const syncDirectory = async (path: string): Promise<void> => {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** A name beside `path` that a reader never takes for the finished file. */
const temporaryName = (path: string): string => join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);

/**
 * Writes a file so that its name holds the old or the new content, never a part: temporary name, fsync, rename,
 * fsync of the folder. @throws StateError with the remedy; the temporary file is removed.
 */
export const writeFileAtomic = async (path: string, data: string | Uint8Array): Promise<void> => {
  const temporary = temporaryName(path);
  try {
    await mkdir(dirname(path), { recursive: true });
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

/**
 * Fills a folder so that its name appears only when it is complete: `fill` writes into a temporary folder, whose
 * files are fsynced before the rename. An existing folder of that name is replaced.
 * @throws StateError for failed writes; errors of `fill` that are already typed pass through.
 */
export const writeDirectoryAtomic = async (
  path: string,
  fill: (directory: string) => Promise<void>,
): Promise<void> => {
  const temporary = temporaryName(path);
  try {
    await mkdir(temporary, { recursive: true });
    await fill(temporary);
    for (const entry of await readdir(temporary, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const handle = await open(join(entry.parentPath, entry.name), 'r+');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
    await syncDirectory(temporary);
    await rm(path, { recursive: true, force: true });
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    if (typeof (cause as NodeJS.ErrnoException | null)?.errno === 'number') throw writeError(path, cause);
    throw cause;
  }
};

/** Removes what a killed process left behind in `directory`: temporary files and folders of the writers above. */
export const removeTemporaries = async (directory: string): Promise<void> => {
  const names = await readdir(directory).catch(() => [] as string[]);
  const left = names.filter((name) => /^\..+\.[0-9a-f-]{36}\.tmp$/u.test(name));
  await Promise.all(left.map((name) => rm(join(directory, name), { recursive: true, force: true })));
};

/** SHA-256 of a file, as hex, read in pieces. */
export const sha256File = async (path: string): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
};

/** SHA-256 of bytes or text, as hex. */
export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
