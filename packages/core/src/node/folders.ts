/** Folders with those that they lie in. */
import { lstatSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/**
 * Makes a folder, and the folders that it lies in. Node's own recursion never ends where a file system has a folder and takes
 * no names in it (`/proc` and some mounts: Node 20 to 24), so each folder is asked for once, from the outermost that is
 * missing.
 * @returns the outermost folder that was made; undefined where the folder was there
 * @throws what the file system says
 */
export const makeFolderSync = (path: string): string | undefined => {
  const missing: string[] = [];
  let at = resolve(path);
  while (lstatSync(at, { throwIfNoEntry: false }) === undefined) {
    missing.push(at);
    at = dirname(at);
  }
  // A file, or a link that leads nowhere.
  if (missing.length === 0 && !statSync(at).isDirectory()) mkdirSync(at);
  for (const folder of missing.toReversed()) {
    try {
      mkdirSync(folder);
    } catch (error) {
      // Another process may have made it meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !isFolder(folder)) throw error;
    }
  }
  return missing.at(-1);
};

/** {@link makeFolderSync} for who waits; it is a call or two of the system. */
export const makeFolder = async (path: string): Promise<string | undefined> => makeFolderSync(path);
