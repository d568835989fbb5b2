import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ConfigError } from '@polygate/core';
import { isImageName, requireFolder } from '../paths.ts';
import { fault, type Reader, type ReaderItem } from '../sample.ts';

export interface ImageFolderOptions {
  /** Folder that holds one folder per class. */
  readonly path: string;
  /**
   * Words for folder names, e.g. `{ n01440764: 'tench' }`, so that class names can be read as text.
   * @default the folder name with `_` and `-` as spaces
   */
  readonly classNames?: Readonly<Record<string, string>>;
}

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const visibleEntries = async (path: string) =>
  (await readdir(path, { withFileTypes: true }))
    .filter((entry) => !entry.name.startsWith('.'))
    .sort((a, b) => byName(a.name, b.name));

/**
 * Reads the layout of ImageNet: `PATH/CLASS/FILE`. Classes are the folder names in code-unit order; files that are
 * no pictures and deeper folders are reported as faults.
 * @throws ConfigError where the folder is missing or holds no class folder
 */
export const openImageFolder = async (options: ImageFolderOptions): Promise<Reader> => {
  await requireFolder(options.path, 'image folder');
  const top = await visibleEntries(options.path);
  const folders = top.filter((entry) => !entry.isFile()).map((entry) => entry.name);
  if (folders.length === 0) {
    throw new ConfigError(
      `image folder ${options.path}: expected one folder per class with pictures in it, got ${top.length} files and no folder; move the pictures into folders named after their classes, or use captions`,
      { code: 'no-classes', fields: { path: options.path } },
    );
  }
  const classes = folders.map((folder) => options.classNames?.[folder] ?? folder.replace(/[_-]+/gu, ' '));
  return {
    name: basename(options.path),
    classes,
    async *read(): AsyncGenerator<ReaderItem> {
      for (const entry of top.filter((candidate) => candidate.isFile())) {
        yield fault(
          entry.name,
          'outside-class',
          'expected a file inside a class folder, got one beside them',
        );
      }
      for (const [label, folder] of folders.entries()) {
        for (const entry of await visibleEntries(join(options.path, folder))) {
          const id = `${folder}/${entry.name}`;
          if (entry.isDirectory())
            yield fault(id, 'nested-folder', 'expected a picture, got a folder inside a class');
          else if (!isImageName(entry.name))
            yield fault(id, 'not-an-image', 'expected a picture, got another kind of file');
          else {
            const image = { kind: 'path', path: join(options.path, folder, entry.name) } as const;
            yield { kind: 'sample', id, image, label };
          }
        }
      }
    },
  };
};
