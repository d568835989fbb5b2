/** Which folders of an image folder are classes, and of which splits; layouts that say something else are refused. */
import { readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { ConfigError } from '@polygate/core';
import { listFolder, type FolderEntry, type LinkOptions } from '../files/folder-listing.ts';
import { isHiddenFolder } from '../files/junk.ts';
import { isImageName } from '../files/paths.ts';
import { fault, faultOfMany, type ReaderItem } from '../samples/sample.ts';
import { knownSplit, splitInName } from '../splits/split-names.ts';

export interface ImageFolderOptions extends LinkOptions {
  /** Folder that holds one folder per class, or one per split (`train`, `val`, `test` ...) with these in it. */
  readonly path: string;
  /**
   * Words for folder names, e.g. `{ n01440764: 'tench' }`, so that class names can be read as text; folders of one word
   * are one class.
   * @default the folder name with `_` and `-` as spaces
   */
  readonly classNames?: Readonly<Record<string, string>>;
}

/** A folder of images of one class. */
interface ClassFolder {
  readonly entry: FolderEntry;
  /** Path below the root, with `/`. */
  readonly id: string;
  /** The folder's own name in one Unicode form, by which classes are told apart and sorted. */
  readonly key: string;
  readonly name: string;
  /** Whether classNames gives the name. */
  readonly named: boolean;
  readonly split?: string;
}

interface Layout {
  readonly folders: readonly ClassFolder[];
  /** What lies where no image is expected. */
  readonly faults: readonly ReaderItem[];
  readonly notes: string[];
}

const isFolder = (entry: FolderEntry): boolean => entry.kind === 'folder';
const isImage = (entry: FolderEntry): boolean => entry.kind === 'file' && isImageName(entry.name);
const stem = (name: string): string => name.slice(0, name.length - extname(name).length);
const listed = (folders: readonly FolderEntry[]): string =>
  folders
    .slice(0, 8)
    .map(({ name }) => name)
    .join(', ') + (folders.length > 8 ? ', ...' : '');

const outsideFault = (id: string): ReaderItem =>
  fault(id, 'outside-class', 'expected a file inside a class folder, got one beside them');

/** @throws ConfigError where most images have a text beside them: they are captions, and folders no classes */
const refuseSidecars = (entries: readonly FolderEntry[], path: string): void => {
  const texts = new Set(
    entries.filter(({ name }) => /\.(?:txt|caption)$/iu.test(name)).map(({ name }) => stem(name)),
  );
  const images = entries.filter(isImage);
  const paired = images.filter(({ name }) => texts.has(stem(name))).length;
  if (paired === 0 || paired * 2 < images.length) return;
  throw new ConfigError(
    `image folder ${path}: expected folders of images named after classes, got a text beside ${paired} of ${images.length} images; read them as captions with the source sidecar-captions`,
    { code: 'sidecar-texts', fields: { path } },
  );
};

const refuse = (path: string, got: string, remedy: string): never => {
  throw new ConfigError(
    `image folder ${path}: expected one folder per class with images in it, got ${got}; ${remedy}`,
    { code: 'no-classes', fields: { path } },
  );
};

/** Files that say of the images beside them what they show, with the sources that read them. */
const tables: readonly { readonly pattern: RegExp; readonly reader: string }[] = [
  { pattern: /^metadata\.(?:csv|tsv|jsonl|parquet)$/iu, reader: 'image-metadata' },
  { pattern: /^_annotations\.coco\.json$/iu, reader: 'coco-captions' },
];

const tableOf = (entries: readonly FolderEntry[]): { name: string; reader: string } | undefined => {
  for (const { name } of entries) {
    const table = tables.find(({ pattern }) => pattern.test(name));
    if (table) return { name, reader: table.reader };
  }
  return undefined;
};

type List = (folder: string) => Promise<FolderEntry[]>;

/** @throws ConfigError where images lie one folder deeper than classes have them */
const refuseDeeper = async (
  path: string,
  folders: readonly FolderEntry[],
  {
    list,
    entriesOf,
  }: { readonly list: List; readonly entriesOf: (folder: FolderEntry) => readonly FolderEntry[] },
): Promise<void> => {
  if (folders.some((folder) => entriesOf(folder).some(isImage))) return;
  const inner = folders.flatMap((folder) =>
    entriesOf(folder)
      .filter(isFolder)
      .map((entry) => ({ folder, entry })),
  );
  for (const { folder, entry } of inner) {
    const entries = await list(entry.path);
    const deeper = entries.find(isImage) ?? entries.find(isFolder);
    if (!deeper) continue;
    const names = new Set(inner.map((each) => each.entry.name));
    const example = `${folder.name}/${entry.name}/${deeper.name}`;
    const remedy =
      folders.length === 1
        ? `give the folder ${join(path, folder.name)}`
        : inner.every((each) => knownSplit(each.entry.name) !== undefined)
          ? `put the classes into the splits (${entry.name}/${folder.name})`
          : names.size === 1
            ? 'move the images up into the folders of their classes'
            : `where ${listed(folders)} are splits, make each of them a source (path, split and the same dataset); where they are classes, name each image (${example}) and its label in a table (source labelled-table); else give the folder that holds the classes`;
    refuse(path, `images one folder deeper, as ${example}`, remedy);
  }
};

/** Notes of folders with images that are passed over, since their names begin with a dot. */
const hiddenNotes = async (path: string, below: string): Promise<string[]> => {
  const notes: string[] = [];
  for (const entry of await readdir(join(path, below), { withFileTypes: true })) {
    if (!entry.isDirectory() || !isHiddenFolder(entry.name)) continue;
    if ((await readdir(join(path, below, entry.name))).some(isImageName)) {
      const name = below === '' ? entry.name : `${below}/${entry.name}`;
      notes.push(
        `${name} is passed over with its images, since its name begins with a dot: rename it if it is a class`,
      );
    }
  }
  return notes;
};

/**
 * Finds the class folders: `PATH/CLASS`, or `PATH/SPLIT/CLASS` with splits by their usual names.
 * @throws ConfigError for another layout, saying how to read it
 */
export const readClassFolders = async (options: ImageFolderOptions): Promise<Layout> => {
  const { path } = options;
  const list: List = (folder) => listFolder(folder, path, options);
  const given = new Map(
    Object.entries(options.classNames ?? {}).map(([folder, name]) => [folder.normalize('NFC'), name]),
  );
  const classFolder = (entry: FolderEntry, id: string): ClassFolder => {
    const key = entry.name.normalize('NFC');
    const name = given.get(key);
    return { entry, id, key, name: name ?? key.replace(/[_-]+/gu, ' ').trim(), named: name !== undefined };
  };
  const top = await list(path);
  const folders = top.filter(isFolder);
  const table = tableOf(top);
  if (table)
    refuse(
      path,
      `a table ${table.name} of what they show`,
      `read that table with the source ${table.reader}`,
    );
  if (folders.length === 0) {
    refuseSidecars(top, path);
    refuse(
      path,
      `${top.length} files and no folder`,
      'move the images into folders named after their classes, or use captions',
    );
  }
  const inner = new Map<FolderEntry, FolderEntry[]>();
  for (const folder of folders) inner.set(folder, await list(folder.path));
  const entriesOf = (folder: FolderEntry): readonly FolderEntry[] => inner.get(folder) ?? [];
  for (const folder of folders) refuseSidecars(entriesOf(folder), path);
  // A name that merely holds the name of a split, such as train_images, is one where class folders are in it.
  const named = folders.filter(
    (folder) =>
      !given.has(folder.name.normalize('NFC')) &&
      (knownSplit(folder.name) !== undefined ||
        (splitInName(folder.name) !== undefined && entriesOf(folder).some(isFolder))),
  );
  for (const folder of named) {
    const tableFile = tableOf(entriesOf(folder));
    if (!tableFile || !entriesOf(folder).some(isImage)) continue;
    refuse(
      path,
      `the table ${folder.name}/${tableFile.name} of what the images beside it show`,
      tableFile.reader === 'image-metadata'
        ? 'read the folder with the source image-metadata'
        : `read the table of each split as a source ${tableFile.reader} of its own, with split and the same dataset`,
    );
  }
  const splits = named.filter((folder) => entriesOf(folder).some(isFolder));
  const faults = top.filter((entry) => !isFolder(entry)).map(({ name }) => outsideFault(name));
  const notes = await hiddenNotes(path, '');
  if (splits.length === 0) {
    if (named.length === folders.length) {
      refuse(
        path,
        `the splits ${listed(named)} with ${named.some((folder) => entriesOf(folder).some(isImage)) ? 'images right in them' : 'no image'}`,
        'put class folders into them, or name what they hold with classNames if these are the classes',
      );
    }
    await refuseDeeper(path, folders, { list, entriesOf });
    return { folders: folders.map((entry) => classFolder(entry, entry.name)), faults, notes };
  }
  const others = folders.filter((folder) => !named.includes(folder));
  const mixed = others.filter((folder) =>
    entriesOf(folder).some((entry) => isImage(entry) || isFolder(entry)),
  );
  if (mixed.length > 0) {
    refuse(
      path,
      `the splits ${listed(splits)} beside the folders ${listed(mixed)}`,
      'give the folder of the splits alone, or one source for each split (path, split and the same dataset)',
    );
  }
  const out: ClassFolder[] = [];
  for (const other of others) {
    faults.push(...entriesOf(other).map((entry) => outsideFault(`${other.name}/${entry.name}`)));
  }
  const readAs = new Map<string, string>();
  for (const folder of named) {
    const split = splitInName(folder.name) ?? '';
    const entries = entriesOf(folder);
    const images = entries.filter(isImage).length;
    if (!entries.some(isFolder)) {
      // Test images without labels, as contests give them out: one line, not one for each.
      faults.push(
        faultOfMany(
          Math.max(1, images),
          fault(
            folder.name,
            'no-class-folders',
            `expected class folders, got ${images} images without class`,
          ),
        ),
      );
      notes.push(`${folder.name} holds ${images} images without class folders: left out`);
      continue;
    }
    const other = readAs.get(split);
    if (other !== undefined) notes.push(`${other} and ${folder.name} are both read as ${split}`);
    readAs.set(split, folder.name);
    notes.push(...(await hiddenNotes(path, folder.name)));
    for (const entry of entries) {
      const id = `${folder.name}/${entry.name}`;
      if (isFolder(entry)) out.push({ ...classFolder(entry, id), split });
      else faults.push(outsideFault(id));
    }
  }
  return { folders: out, faults, notes };
};
