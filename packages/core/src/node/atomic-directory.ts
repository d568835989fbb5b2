/**
 * Folders whose name holds the old or the new content, never a part of either, whatever instant the process dies at.
 *
 * The new content is filled and fsynced under a temporary name. The old folder is renamed aside, the new one into its
 * place, and only then the old one is removed. A process that dies between the two renames leaves the name empty and
 * both folders beside it: {@link recoverDirectory} puts the old one back.
 */
import { randomUUID } from 'node:crypto';
import { lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncDirectory, temporaryName, writeError } from './files.ts';
import { makeFolder } from './folders.ts';

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const ASIDE = new RegExp(`^\\.(.+)\\.${UUID}\\.old$`, 'u');
const TEMPORARY = new RegExp(`^\\.(.+)\\.${UUID}\\.tmp$`, 'u');

const codeOf = (cause: unknown): string => (cause as NodeJS.ErrnoException | null)?.code ?? '';
const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** Removes a folder that was set aside so that a half-removed one is never put back. */
const discard = async (aside: string, path: string): Promise<void> => {
  const grave = temporaryName(path);
  await rename(aside, grave);
  await rm(grave, { recursive: true, force: true });
};

/** Puts one folder that was set aside back under its name, or discards it where the name is there. */
const settle = async (directory: string, aside: string, name: string): Promise<void> => {
  try {
    const path = join(directory, name);
    if (await isThere(path)) await discard(join(directory, aside), path);
    else await rename(join(directory, aside), path);
  } catch (cause) {
    // Another process settled it, or the folder can only be read.
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'EACCES', 'EPERM', 'EROFS'].includes(codeOf(cause))) throw cause;
  }
};

const settleAll = async (directory: string, wanted?: string): Promise<void> => {
  for (const entry of await readdir(directory).catch(() => [] as string[])) {
    const name = ASIDE.exec(entry)?.[1];
    if (name !== undefined && (wanted === undefined || name === wanted)) await settle(directory, entry, name);
  }
};

/**
 * Puts back what a process that died while replacing the folder `path` had set aside. Costs one look where the folder
 * is there, so readers may call it, too.
 */
export const recoverDirectory = async (path: string): Promise<void> => {
  if (await isThere(path)) return;
  await settleAll(dirname(path), basename(path));
};

/** Fsyncs all files and folders below `directory`, and itself last. */
const syncTree = async (directory: string): Promise<void> => {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    if (!entry.isFile()) continue;
    const handle = await open(path, 'r+');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  await syncDirectory(directory);
};

/** Renames a filled folder over `path`; what was there is moved aside first and handed back. */
const swap = async (filled: string, path: string): Promise<readonly string[]> => {
  const asides: string[] = [];
  for (;;) {
    const aside = join(dirname(path), `.${basename(path)}.${randomUUID()}.old`);
    try {
      await rename(path, aside);
      asides.push(aside);
    } catch (cause) {
      if (codeOf(cause) !== 'ENOENT') throw cause;
    }
    try {
      await rename(filled, path);
      return asides;
    } catch (cause) {
      // A reader that found the name empty has put the old folder back: once more.
      if (asides.length < 100 && ['ENOTEMPTY', 'EEXIST'].includes(codeOf(cause))) continue;
      await recoverDirectory(path);
      throw cause;
    }
  }
};

/**
 * Fills a folder so that its name appears only when it is complete: `fill` writes into a temporary folder, whose
 * files are fsynced before the rename. An existing folder of that name is replaced and stays until then.
 * @throws StateError for failed writes; errors of `fill` that are already typed pass through.
 */
export const writeDirectoryAtomic = async (
  path: string,
  fill: (directory: string) => Promise<void>,
): Promise<void> => {
  const temporary = temporaryName(path);
  try {
    await recoverDirectory(path);
    await makeFolder(temporary);
    await fill(temporary);
    await syncTree(temporary);
    const asides = await swap(temporary, path);
    await syncDirectory(dirname(path));
    for (const aside of asides) {
      // Readers that put it back have renamed it; then it was moved aside again under another name.
      await discard(aside, path).catch((cause: unknown) => {
        if (codeOf(cause) !== 'ENOENT') throw cause;
      });
    }
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    if (typeof (cause as NodeJS.ErrnoException | null)?.errno === 'number') throw writeError(path, cause);
    throw cause;
  }
};

/**
 * Clears what killed processes left in `directory`: temporary files and folders of the atomic writers are removed,
 * folders that were set aside are put back where their name is empty. Call it where no one else writes.
 * @param name clears what belongs to that file or folder alone. @default everything
 */
export const removeTemporaries = async (directory: string, name?: string): Promise<void> => {
  await settleAll(directory, name);
  const names = await readdir(directory).catch(() => [] as string[]);
  const left = names.filter((entry) => {
    const of = TEMPORARY.exec(entry)?.[1];
    return of !== undefined && (name === undefined || of === name);
  });
  await Promise.all(left.map((entry) => rm(join(directory, entry), { recursive: true, force: true })));
};
