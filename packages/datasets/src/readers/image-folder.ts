import { basename, extname } from 'node:path';
import { ConfigError, excerpt } from '@polygate/core';
import { listFolder, type FolderEntry, type LinkOptions } from '../folder-listing.ts';
import { isImageName, requireFolder } from '../paths.ts';
import { fault, type Reader, type ReaderItem } from '../sample.ts';
import { knownSplit, orderSplits } from '../split-names.ts';

export interface ImageFolderOptions extends LinkOptions {
  /** Folder that holds one folder per class, or one per split (`train`, `val`, `test` ...) with these in it. */
  readonly path: string;
  /**
   * Words for folder names, e.g. `{ n01440764: 'tench' }`, so that class names can be read as text.
   * @default the folder name with `_` and `-` as spaces
   */
  readonly classNames?: Readonly<Record<string, string>>;
}

/** A folder of pictures of one class. */
interface ClassFolder {
  readonly entry: FolderEntry;
  /** Path below the root, with `/`. */
  readonly id: string;
  readonly name: string;
  readonly split?: string;
}

interface Layout {
  readonly folders: readonly ClassFolder[];
  /** What lies where no picture is expected. */
  readonly faults: readonly ReaderItem[];
  readonly notes: string[];
}

const isFolder = (entry: FolderEntry): boolean => entry.kind === 'folder';
const isPicture = (entry: FolderEntry): boolean => entry.kind === 'file' && isImageName(entry.name);
const stem = (name: string): string => name.slice(0, name.length - extname(name).length);

const outsideFault = (id: string): ReaderItem =>
  fault(id, 'outside-class', 'expected a file inside a class folder, got one beside them');

/** @throws ConfigError where most pictures have a text beside them: they are captions, and folders no classes */
const refuseSidecars = (entries: readonly FolderEntry[], path: string): void => {
  const texts = new Set(
    entries.filter(({ name }) => /\.(?:txt|caption)$/iu.test(name)).map(({ name }) => stem(name)),
  );
  const pictures = entries.filter(isPicture);
  const paired = pictures.filter(({ name }) => texts.has(stem(name))).length;
  if (paired === 0 || paired * 2 < pictures.length) return;
  throw new ConfigError(
    `image folder ${path}: expected folders of pictures named after classes, got a text beside ${paired} of ${pictures.length} pictures; read them as captions with the source sidecar-captions`,
    { code: 'sidecar-texts', fields: { path } },
  );
};

const refuse = (path: string, got: string, remedy: string): never => {
  throw new ConfigError(
    `image folder ${path}: expected one folder per class with pictures in it, got ${got}; ${remedy}`,
    { code: 'no-classes', fields: { path } },
  );
};

const readLayout = async (options: ImageFolderOptions): Promise<Layout> => {
  const { path, classNames = {} } = options;
  const list = (folder: string): Promise<FolderEntry[]> => listFolder(folder, path, options);
  const nameOf = (folder: string): string =>
    Object.hasOwn(classNames, folder) ? (classNames[folder] ?? '') : folder.replace(/[_-]+/gu, ' ').trim();
  const top = await list(path);
  const folders = top.filter(isFolder);
  const metadata = top.find(({ name }) => /^metadata\.(?:csv|jsonl)$/iu.test(name));
  if (metadata) {
    const reader = /csv$/iu.test(metadata.name) ? 'captions-csv or labelled-table' : 'jsonl';
    refuse(path, `a table ${metadata.name} of what they show`, `read that table with the source ${reader}`);
  }
  if (folders.length === 0) {
    refuseSidecars(top, path);
    refuse(
      path,
      `${top.length} files and no folder`,
      'move the pictures into folders named after their classes, or use captions',
    );
  }
  const inner = new Map<FolderEntry, FolderEntry[]>();
  for (const folder of folders) inner.set(folder, await list(folder.path));
  const entriesOf = (folder: FolderEntry): readonly FolderEntry[] => inner.get(folder) ?? [];
  for (const folder of folders) refuseSidecars(entriesOf(folder), path);
  const named = folders.filter(
    ({ name }) => knownSplit(name) !== undefined && !Object.hasOwn(classNames, name),
  );
  const splits = named.filter((folder) => entriesOf(folder).some(isFolder));
  const faults = top.filter((entry) => !isFolder(entry)).map(({ name }) => outsideFault(name));
  if (splits.length === 0) {
    if (named.length === folders.length) {
      refuse(
        path,
        `the splits ${named.map(({ name }) => name).join(', ')} with ${named.some((folder) => entriesOf(folder).some(isPicture)) ? 'pictures right in them' : 'no picture'}`,
        'put class folders into them, or name what they hold with classNames if these are the classes',
      );
    }
    return {
      folders: folders.map((entry) => ({ entry, id: entry.name, name: nameOf(entry.name) })),
      faults,
      notes: [],
    };
  }
  const others = folders.filter((folder) => !named.includes(folder));
  const mixed = others.filter((folder) =>
    entriesOf(folder).some((entry) => isPicture(entry) || isFolder(entry)),
  );
  if (mixed.length > 0) {
    refuse(
      path,
      `the splits ${splits.map(({ name }) => name).join(', ')} beside the folders ${mixed.map(({ name }) => name).join(', ')}`,
      'give the folder of the splits alone, or one source for each split (path, split and the same dataset)',
    );
  }
  const out: ClassFolder[] = [];
  const notes: string[] = [];
  for (const other of others) {
    faults.push(...entriesOf(other).map((entry) => outsideFault(`${other.name}/${entry.name}`)));
  }
  for (const folder of named) {
    const split = knownSplit(folder.name) ?? '';
    const entries = entriesOf(folder);
    const pictures = entries.filter(isPicture).length;
    if (!entries.some(isFolder)) {
      // Test pictures without labels, as contests give them out: one line, not one for each.
      faults.push(
        fault(
          folder.name,
          'no-class-folders',
          `expected class folders, got ${pictures} pictures without class`,
        ),
      );
      notes.push(`${folder.name} holds ${pictures} pictures without class folders: left out`);
      continue;
    }
    for (const entry of entries) {
      const id = `${folder.name}/${entry.name}`;
      if (isFolder(entry)) out.push({ entry, id, name: nameOf(entry.name), split });
      else faults.push(outsideFault(id));
    }
  }
  return { folders: out, faults, notes };
};

/**
 * Reads the layout of ImageNet: `PATH/CLASS/FILE`, or `PATH/SPLIT/CLASS/FILE` with splits by their usual names.
 * Classes are the names of the class folders in code-unit order, one order for all splits; files that are no pictures
 * and deeper folders are reported as faults.
 * @throws ConfigError where the folder is missing, holds no class folder, or holds texts beside the pictures
 */
export const openImageFolder = async (options: ImageFolderOptions): Promise<Reader> => {
  await requireFolder(options.path, 'image folder');
  const { folders, faults, notes } = await readLayout(options);
  // Order of labels is that of the folders' own names; two folders of one class are one label where splits repeat it.
  const names = new Map(folders.map(({ entry, name }) => [entry.name, name]));
  const classes = [...names.keys()].sort().map((folder) => names.get(folder) ?? '');
  const labels = new Map([...names.keys()].sort().map((folder, label) => [folder, label]));
  const splits = orderSplits(folders.flatMap(({ split }) => (split === undefined ? [] : [split])));
  const unused = Object.keys(options.classNames ?? {}).filter((folder) => !names.has(folder));
  if (unused.length > 0) notes.push(`classNames names folders that are not there: ${excerpt(unused)}`);
  return {
    name: basename(options.path),
    classes,
    ...(splits.length > 0 ? { splits } : {}),
    ...(notes.length > 0 ? { notes } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      yield* faults;
      for (const { entry: folder, id: folderId, split } of folders) {
        const label = labels.get(folder.name) ?? 0;
        for (const entry of await listFolder(folder.path, options.path, options)) {
          const id = `${folderId}/${entry.name}`;
          if (entry.kind === 'folder')
            yield fault(id, 'nested-folder', 'expected a picture, got a folder inside a class');
          else if (entry.kind === 'broken')
            yield fault(id, 'broken-link', 'expected a picture, got a link that leads nowhere');
          else if (entry.kind === 'other' || !isImageName(entry.name))
            yield fault(id, 'not-an-image', 'expected a picture, got another kind of file');
          else {
            const image = { kind: 'path', path: entry.path } as const;
            yield { kind: 'sample', id, image, label, ...(split === undefined ? {} : { split }) };
          }
        }
      }
    },
  };
};
