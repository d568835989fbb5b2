import { basename } from 'node:path';
import { excerpt } from '@polygate/core';
import { listFolder } from '../files/folder-listing.ts';
import { isImageName, notAnImage, requireFolder } from '../files/paths.ts';
import { fault, type Reader, type ReaderItem } from '../samples/sample.ts';
import { orderSplits } from '../splits/split-names.ts';
import { readClassFolders, type ImageFolderOptions } from './class-folders.ts';
import { defineReader } from './dataset-reader.ts';
import { classNamesSetting, linksSetting, textSetting } from './reader-settings.ts';
import { classFoldersFit } from './class-folders-fit.ts';

/**
 * Reads the layout of ImageNet: `PATH/CLASS/FILE`, or `PATH/SPLIT/CLASS/FILE` with splits by their usual names.
 * Classes are the names of the class folders in code-unit order, one order for all splits; files that are no images
 * and deeper folders are reported as faults.
 * @throws ConfigError where the folder is missing, holds no class folder, or holds texts beside the images
 */
export const openImageFolder = async (options: ImageFolderOptions): Promise<Reader> => {
  await requireFolder(options.path, 'image folder');
  const { folders, faults, notes } = await readClassFolders(options);
  // Order of labels is that of the folders' own names; folders of one class are one label where splits repeat it.
  const classes: string[] = [];
  const labels = new Map<string, number>();
  const given = new Map<string, number>();
  for (const { key, name, named } of [...folders].sort((a, b) =>
    a.key < b.key ? -1 : a.key > b.key ? 1 : 0,
  )) {
    if (labels.has(key)) continue;
    const label = (named ? given.get(name) : undefined) ?? classes.push(name) - 1;
    labels.set(key, label);
    if (named) given.set(name, label);
  }
  const splits = orderSplits(folders.flatMap(({ split }) => (split === undefined ? [] : [split])));
  const unused = Object.keys(options.classNames ?? {}).filter(
    (folder) => !labels.has(folder.normalize('NFC')),
  );
  if (unused.length > 0) notes.push(`classNames names folders that are not there: ${excerpt(unused)}`);
  return {
    name: basename(options.path),
    classes,
    ...(splits.length > 0 ? { splits } : {}),
    ...(notes.length > 0 ? { notes } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      yield* faults;
      for (const { entry: folder, id: folderId, key, split } of folders) {
        const label = labels.get(key) ?? 0;
        for (const entry of await listFolder(folder.path, options.path, options)) {
          const id = `${folderId}/${entry.name}`;
          if (entry.kind === 'folder')
            yield fault(id, 'nested-folder', 'expected an image, got a folder inside a class');
          else if (entry.kind === 'broken')
            yield fault(id, 'broken-link', 'expected an image, got a link that leads nowhere');
          else if (entry.kind === 'other' || !isImageName(entry.name)) {
            const problem = notAnImage(entry.name);
            yield fault(id, problem.code, problem.reason);
          } else {
            const image = { kind: 'path', path: entry.path } as const;
            yield { kind: 'sample', id, image, label, ...(split === undefined ? {} : { split }) };
          }
        }
      }
    },
  };
};

export const imageFolderReader = defineReader({
  name: 'image-folder',
  summary: 'folders of images named after classes, with or without folders of splits above them',
  needs: 'a folder with one folder per class, or one per split with these in it, and images in them',
  settings: { path: textSetting, classNames: classNamesSetting, links: linksSetting },
  kinds: ['labelled-image'],
  paths: { path: 'all' },
  open: async (settings, { within }) => ({
    reader: await openImageFolder({ ...settings, within }),
    kind: 'labelled-image',
  }),
  detect: classFoldersFit,
});
