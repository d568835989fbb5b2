/** Lists of the images or clips of a split, one name a line, whose own names say the split: `Flickr_8k.trainImages.txt`. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ConfigError, excerpt } from '@polygate/core';
import { isJunk } from '../files/junk.ts';
import { isImageName, requireFile } from '../files/paths.ts';
import { readLines } from '../tables/lines.ts';
import { isVideoName } from '../video/clip-names.ts';

/** The split that a list's name says, as in `flickr30k_val.txt` or `train_list.txt`; undefined for no list. */
export const splitOfList = (path: string): string | undefined => {
  const splitWord =
    /(?:^|[^a-z])(train|dev|val|valid|validation|test)(?:_?images?)?(?:_?(?:ids?|list|names))?\.txt$/iu.exec(
      basename(path),
    )?.[1];
  if (splitWord === undefined) return undefined;
  const word = splitWord.toLowerCase();
  return word === 'train' || word === 'test' ? word : 'validation';
};

/** What names are compared by: without folders, ending, and the number of a caption (`a.jpg#0`). */
export const listedStem = (name: string): string => {
  const plain = basename(name.trim().replace(/#\w+$/u, ''));
  return isImageName(plain) || isVideoName(plain) ? plain.slice(0, plain.lastIndexOf('.')) : plain;
};

/** Splits by the {@link listedStem} of names. @throws ConfigError for lists whose names say no split */
export const readSplitLists = async (paths: readonly string[]): Promise<ReadonlyMap<string, string>> => {
  const splits = new Map<string, string>();
  for (const path of paths) {
    await requireFile(path, 'splitFiles');
    const split = splitOfList(path);
    if (split === undefined)
      throw new ConfigError(
        `splitFiles: expected names that say a split, such as Flickr_8k.trainImages.txt or val.txt, got ${excerpt(basename(path))}; rename it`,
        { code: 'split-files', fields: { path } },
      );
    for await (const line of readLines(path)) {
      const name = line.kind === 'line' ? line.text.trim() : '';
      if (name !== '') splits.set(listedStem(name), split);
    }
  }
  return splits;
};

/** Lists in the folder of a file. */
export const listsBeside = async (file: string): Promise<readonly string[]> => {
  const names = (await readdir(dirname(file))).filter(
    (name) => !isJunk(name) && splitOfList(name) !== undefined,
  );
  return names.sort().map((name) => join(dirname(file), name));
};
