import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Budgets, ConfigError, excerpt, overBudget, resolveBudgets } from '@polygate/core';
import { type FolderEntry, listFolder, type LinkOptions } from '../files/folder-listing.ts';
import { requireFolder } from '../files/paths.ts';
import { fault, type Reader, type ReaderItem } from '../samples/sample.ts';
import { orderSplits, splitInName } from '../splits/split-names.ts';
import { namesSetting, classNamesSetting, linksSetting, textSetting } from './reader-settings.ts';
import { defineReader } from './dataset-reader.ts';

export interface TextFolderOptions extends LinkOptions {
  /** Folder that holds one folder of texts per class, or one per split with these in it. */
  readonly path: string;
  /** Words for folder names. @default the folder name with `_` and `-` as spaces */
  readonly classNames?: Readonly<Record<string, string>>;
  /** Names of folders that are left out. @default those of texts without label (`unsup`, `unlabeled`) */
  readonly without?: readonly string[];
  /** `textBytes` bounds a text. @default those of core */
  readonly budgets?: Partial<Budgets>;
}

/** Folders of texts without label, as aclImdb's `train/unsup`. */
const unlabelled: readonly string[] = ['unsup', 'unsupervised', 'unlabeled', 'unlabelled'];

interface ClassFolder {
  readonly path: string;
  /** Path below the root with `/`. */
  readonly id: string;
  /** Name in one Unicode form. */
  readonly key: string;
  readonly split?: string;
}

interface Layout {
  readonly folders: readonly ClassFolder[];
  readonly notes: readonly string[];
}

const isText = ({ kind, name }: FolderEntry): boolean => kind === 'file' && /\.(?:txt|text)$/iu.test(name);

const readLayout = async (options: TextFolderOptions): Promise<Layout> => {
  const { path, without = unlabelled } = options;
  const left: string[] = [];
  const foldersIn = async (folder: string, prefix: string): Promise<FolderEntry[]> => {
    const entries = (await listFolder(folder, path, options)).filter(({ kind }) => kind === 'folder');
    for (const { name } of entries) if (without.includes(name)) left.push(`${prefix}${name}`);
    return entries.filter(({ name }) => !without.includes(name));
  };
  const top = await foldersIn(path, '');
  const inner = new Map<FolderEntry, readonly FolderEntry[]>();
  for (const folder of top) inner.set(folder, await foldersIn(folder.path, `${folder.name}/`));
  const splits = top.filter(
    (folder) => splitInName(folder.name) !== undefined && (inner.get(folder)?.length ?? 0) > 0,
  );
  const named = splits.length > 0 && splits.length === top.length;
  const folders: ClassFolder[] = named
    ? splits.flatMap((folder) =>
        (inner.get(folder) ?? []).map((entry) => ({
          path: entry.path,
          id: `${folder.name}/${entry.name}`,
          key: entry.name.normalize('NFC'),
          split: splitInName(folder.name) ?? '',
        })),
      )
    : top.map((entry) => ({ path: entry.path, id: entry.name, key: entry.name.normalize('NFC') }));
  if (splits.length > 0 && !named) {
    const others = top.filter((folder) => !splits.includes(folder)).map(({ name }) => name);
    throw new ConfigError(
      `text folder ${path}: expected folders of splits or of classes, got the splits ${splits.map(({ name }) => name).join(', ')} beside ${others.join(', ')}; give without the names that are neither, or the folder of one split`,
      { code: 'text-folder', fields: { path } },
    );
  }
  return {
    folders,
    notes:
      left.length > 0
        ? [`${left.join(', ')} holds texts without label: left out; "without" lists such folders`]
        : [],
  };
};

const utf8 = new TextDecoder('utf-8', { fatal: true });

const readText = async (
  path: string,
  { id, textBytes }: { readonly id: string; readonly textBytes: number },
): Promise<string | ReaderItem> => {
  const { size } = await stat(path);
  if (size > textBytes) return fault(id, 'text-too-long', overBudget('textBytes', textBytes, size));
  try {
    const text = utf8.decode(await readFile(path)).trim();
    if (text.includes('\0')) {
      return fault(
        id,
        'invalid-utf8',
        'expected UTF-8 text, got NUL characters, as UTF-16 and files that are no text have them; save it as UTF-8 (iconv -f UTF-16LE -t UTF-8)',
      );
    }
    return text === '' ? fault(id, 'empty-text', 'expected a text, got an empty file') : text;
  } catch {
    return fault(
      id,
      'invalid-utf8',
      'expected UTF-8 text, got other bytes; save it as UTF-8 (iconv -f WINDOWS-1252 -t UTF-8)',
    );
  }
};

/**
 * Reads texts in folders named after their classes, as aclImdb has them: `PATH/CLASS/FILE.txt`, or `PATH/SPLIT/CLASS/FILE.txt`
 * with splits by their usual names. Classes are in code-unit order of the folders' names, one order for all splits; ids
 * are paths below the folder.
 * @throws ConfigError where the folder is missing or holds no texts in folders
 */
export const openTextFolder = async (options: TextFolderOptions): Promise<Reader> => {
  const { path, classNames = {} } = options;
  await requireFolder(path, 'text folder');
  const { folders, notes } = await readLayout(options);
  let texts = 0;
  for (const folder of folders) texts += (await listFolder(folder.path, path, options)).filter(isText).length;
  if (texts === 0)
    throw new ConfigError(
      `text folder ${path}: expected one folder per class with .txt files in it, got ${folders.length} folders without; give the folder that holds the classes or the splits`,
      { code: 'text-folder', fields: { path } },
    );
  const given = new Map(Object.entries(classNames).map(([key, name]) => [key.normalize('NFC'), name]));
  const labels = new Map<string, number>();
  const classes: string[] = [];
  for (const key of [...new Set(folders.map((folder) => folder.key))].sort()) {
    const name = given.get(key) ?? key.replace(/[_-]+/gu, ' ').trim();
    // Folders that are given one name are one class.
    const index = given.has(key) ? classes.indexOf(name) : -1;
    labels.set(key, index >= 0 ? index : classes.push(name) - 1);
  }
  const unused = [...given.keys()].filter((key) => !labels.has(key));
  const all = [
    ...notes,
    ...(unused.length > 0 ? [`classNames names folders that are not there: ${excerpt(unused)}`] : []),
  ];
  const splits = orderSplits(folders.flatMap(({ split }) => split ?? []));
  const { textBytes } = resolveBudgets(options.budgets);
  return {
    name: basename(path),
    classes,
    ...(splits.length > 0 ? { splits } : {}),
    ...(all.length > 0 ? { notes: all } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      for (const folder of folders) {
        const label = labels.get(folder.key) ?? 0;
        for (const entry of await listFolder(folder.path, path, options)) {
          const id = `${folder.id}/${entry.name}`;
          if (!isText(entry)) {
            yield fault(
              id,
              'not-a-text',
              `expected a .txt file, got ${entry.kind === 'folder' ? 'a folder' : 'another kind of file'}`,
            );
            continue;
          }
          const text = await readText(entry.path, { id, textBytes });
          if (typeof text !== 'string') yield text;
          else
            yield {
              kind: 'sample',
              id,
              texts: [text],
              label,
              ...(folder.split === undefined ? {} : { split: folder.split }),
            };
        }
      }
    },
  };
};

export const textFolderReader = defineReader({
  name: 'text-folder',
  summary: 'texts in folders named after their classes, with or without folders of splits (aclImdb)',
  needs: 'one folder per class with .txt files in it, or one per split with these in it',
  settings: {
    path: textSetting,
    classNames: classNamesSetting,
    /** Names of folders that are left out. @default those of texts without label, such as unsup */
    without: namesSetting.optional(),
    links: linksSetting,
  },
  kinds: ['labelled-text'],
  paths: { path: 'all' },
  async open(settings, { within, budgets }) {
    return { reader: await openTextFolder({ ...settings, within, budgets }), kind: 'labelled-text' };
  },
  async detect(survey) {
    const texts = survey.files.filter(({ extension, folder }) => extension === '.txt' && folder !== '');
    const others = survey.files.filter(({ extension, folder }) => extension !== '.txt' && folder !== '');
    if (survey.kind === 'file' || texts.length === 0 || texts.length < others.length) return undefined;
    try {
      const { classes = [], splits } = await openTextFolder({ path: survey.at() });
      const holding = new Set(texts.map(({ folder }) => folder.split('/').at(-1)));
      const without = others.length > 0 && holding.size < 2;
      if (without)
        return {
          fit: 'nearly',
          reason: `texts in ${[...holding].join('')} alone, and other files beside it: classes are two folders or more`,
        };
      if (classes.length < 2)
        return { fit: 'nearly', reason: `texts of one class alone: ${classes.join(', ')}` };
      const shown = `texts in folders of the classes ${classes.slice(0, 8).join(', ')}${splits ? `, in the splits ${splits.join(', ')}` : ''}`;
      // Folders of texts say more than texts alone; lists of addresses and the like may lie beside them.
      const loose = survey.files.filter(
        ({ extension, folder }) => extension === '.txt' && folder === '',
      ).length;
      return {
        fit: splits || loose < texts.length ? 'sure' : 'likely',
        reason: shown,
        sources: [{ path: survey.at() }],
      };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return { fit: 'nearly', reason: error.message };
    }
  },
});
