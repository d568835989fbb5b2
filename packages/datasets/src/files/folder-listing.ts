/** What a folder holds, in a fixed order: symbolic links followed as far as the source may, junk left out. */
import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, relative, isAbsolute, sep } from 'node:path';
import { ConfigError } from '@polygate/core';
import { isJunk } from './junk.ts';

/** Which links to folders are followed. Links to files always are. */
export interface LinkOptions {
  /** `inside`: those that stay in the source's folder or in `within`; `follow`: all. @default 'inside' */
  readonly links?: 'inside' | 'follow';
  /** Further folders that links may lead to. @default none */
  readonly within?: readonly string[];
}

/** One entry of a folder. */
export interface FolderEntry {
  readonly name: string;
  readonly path: string;
  /** `broken`: a link that leads nowhere, or in a circle. */
  readonly kind: 'file' | 'folder' | 'broken' | 'other';
}

/** Deepest folder that is searched, against circles of links. */
const MAX_FOLDER_DEPTH = 32;

const isInside = (root: string, path: string): boolean => {
  const way = relative(root, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
};

/** Whether a folder, all links resolved, lies where the links of `root` may lead. */
export const mayEnter = async (path: string, root: string, options: LinkOptions): Promise<boolean> => {
  if (options.links === 'follow') return true;
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined) return false;
  for (const allowed of [root, ...(options.within ?? [])]) {
    if (isInside(await realpath(allowed).catch(() => allowed), real)) return true;
  }
  return false;
};

const byName = (a: FolderEntry, b: FolderEntry): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

const entriesIn = async (path: string): Promise<Dirent[]> => {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (cause) {
    const { code = 'an error' } = cause as NodeJS.ErrnoException;
    throw new ConfigError(
      `folder ${path}: expected a folder that can be listed, got ${code}; give read access to it (chmod u+rx), or leave it out of the source`,
      { code: 'unreadable-folder', fields: { path }, cause },
    );
  }
};

/**
 * The entries of a folder in code-unit order, without junk.
 * @param root the source's folder, which links to folders must not leave
 * @throws ConfigError for a link to a folder outside, naming the setting that allows it, and (code `unreadable-folder`) for
 * a folder that can't be listed
 */
export const listFolder = async (
  path: string,
  root: string,
  options: LinkOptions = {},
): Promise<FolderEntry[]> => {
  const entries: FolderEntry[] = [];
  for (const entry of await entriesIn(path)) {
    if (isJunk(entry.name)) continue;
    const entryPath = join(path, entry.name);
    let kind: FolderEntry['kind'] = entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : 'other';
    if (entry.isSymbolicLink()) {
      const target = await stat(entryPath).catch(() => undefined);
      kind = target?.isFile() ? 'file' : target?.isDirectory() ? 'folder' : target ? 'other' : 'broken';
      if (kind === 'folder' && !(await mayEnter(entryPath, root, options))) {
        throw new ConfigError(
          `folder ${root}: expected links that stay inside, got ${relative(root, entryPath)}, which leads to ${await realpath(entryPath)}; set links to "follow" if that is meant`,
          { code: 'link-outside', fields: { path: entryPath } },
        );
      }
    }
    entries.push({ name: entry.name, path: entryPath, kind });
  }
  return entries.sort(byName);
};

/** A file below a folder, by its path with `/`. */
export interface FoundFile extends FolderEntry {
  readonly id: string;
}

/**
 * All files below a folder, depth first, files of a folder before its folders. A folder that is one of those it lies
 * in (a circle of links) comes as `broken`.
 */
export async function* walkFolder(root: string, options: LinkOptions = {}): AsyncGenerator<FoundFile> {
  async function* walk(path: string, prefix: string, above: readonly string[]): AsyncGenerator<FoundFile> {
    const entries = await listFolder(path, root, options);
    for (const entry of entries) {
      if (entry.kind !== 'folder') yield { ...entry, id: `${prefix}${entry.name}` };
    }
    for (const entry of entries.filter(({ kind }) => kind === 'folder')) {
      const id = `${prefix}${entry.name}`;
      const real = await realpath(entry.path);
      if (above.includes(real) || above.length >= MAX_FOLDER_DEPTH) yield { ...entry, kind: 'broken', id };
      else yield* walk(entry.path, `${id}/`, [...above, real]);
    }
  }
  yield* walk(root, '', [await realpath(root)]);
}
