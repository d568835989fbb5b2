/** Where the frames of a clip are: a file, or a folder of frames. */
import { stat } from 'node:fs/promises';
import { listFolder, type LinkOptions } from '../files/folder-listing.ts';
import { isImageName } from '../files/paths.ts';
import type { SampleContent } from '../samples/sample.ts';

/** Numbers in names by their value: frame2 before frame10. */
const byNumber = (a: string, b: string): number => {
  const [left, right] = [a, b].map((name) => name.split(/(\d+)/u)) as [string[], string[]];
  for (const [at, part] of left.entries()) {
    const other = right[at] ?? '';
    const difference = at % 2 === 1 ? Number(part) - Number(other) : part < other ? -1 : part > other ? 1 : 0;
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : a > b ? 1 : 0;
};

/** Paths of the frames of a folder in the order of the numbers in their names; links as far as `root` lets them lead. */
export const framePaths = async (
  folder: string,
  root: string,
  options: LinkOptions = {},
): Promise<readonly string[]> => {
  const entries = await listFolder(folder, root, options);
  return entries
    .filter(({ kind, name }) => kind === 'file' && isImageName(name))
    .sort((a, b) => byNumber(a.name, b.name))
    .map(({ path }) => path);
};

/** The clip of a path: a folder's frames, or a file. Whether it can be read shows when it is decoded. */
export const clipContent = async (path: string): Promise<SampleContent> => {
  const stats = await stat(path).catch(() => undefined);
  return stats?.isDirectory()
    ? { kind: 'paths', paths: await framePaths(path, path) }
    : { kind: 'path', path };
};
