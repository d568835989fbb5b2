/** Looks at a file or folder: a bounded listing, and the beginnings of files on demand. */
import { open, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { ConfigError, FormatError, parseJson } from '@polygate/core';
import { listFolder } from '../files/folder-listing.ts';
import { isJsonFields } from '../samples/json-captions.ts';
import { isJsonLinesName } from '../tables/json-records.ts';
import { readLines } from '../tables/lines.ts';
import { openParquetRecords } from '../tables/parquet-records.ts';
import type { PathSurvey, SurveyedFile, SurveyedTable } from './path-survey.ts';
import { objectRows, surveyTable } from './surveyed-table.ts';

/** Files of a folder that are listed. */
const MAX_FILES = 50_000;
/** Folders that are listed. */
const MAX_FOLDERS = 5000;
/** Folders below the given one that are entered. */
const MAX_DEPTH = 8;
const HEAD_BYTES = 1 << 16;
const MAX_LINES = 40;

interface Listing {
  readonly files: readonly SurveyedFile[];
  readonly folders: readonly string[];
  readonly complete: boolean;
}

/** Breadth first, so that a large folder deep down hides none of the others. */
const listBelow = async (root: string): Promise<Listing> => {
  const files: SurveyedFile[] = [];
  const folders: string[] = [];
  let complete = true;
  let level: string[] = [''];
  for (let depth = 0; level.length > 0; depth += 1) {
    const next: string[] = [];
    for (const folder of level) {
      // A link that leads elsewhere is looked through, so that what lies beside it is seen: whether it may be followed, and
      // what can't be listed, is the reader's to report.
      const entries = await listFolder(join(root, folder), root, { links: 'follow' }).catch(() => []);
      for (const { name, kind } of entries) {
        const id = folder === '' ? name : `${folder}/${name}`;
        if (kind === 'file') {
          if (files.length >= MAX_FILES) complete = false;
          else files.push({ id, name, extension: extname(name).toLowerCase(), folder });
        } else if (kind === 'folder') {
          // Those that are listed are looked into all the same.
          if (folders.length >= MAX_FOLDERS) complete = false;
          else {
            folders.push(id);
            next.push(id);
          }
        }
      }
    }
    if (depth >= MAX_DEPTH && next.length > 0) {
      complete = false;
      break;
    }
    level = next;
  }
  return { files, folders, complete };
};

const readHead = async (path: string): Promise<Uint8Array> => {
  const file = await open(path);
  try {
    const bytes = new Uint8Array(HEAD_BYTES);
    const { bytesRead } = await file.read(bytes, 0, HEAD_BYTES, 0);
    return bytes.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
};

/** Bytes that no text holds. */
const isBinary = (head: Uint8Array): boolean => head.includes(0);

/** The first lines of a file that are not empty; undefined where one is no UTF-8 text. */
export const firstLines = async (path: string): Promise<readonly string[] | undefined> => {
  const lines: string[] = [];
  for await (const line of readLines(path)) {
    if (line.kind === 'bad-line') return undefined;
    if (line.text.trim() !== '') lines.push(line.text);
    if (lines.length >= MAX_LINES) break;
  }
  return lines.length > 0 ? lines : undefined;
};

const objectsOf = (lines: readonly string[]): readonly Readonly<Record<string, unknown>>[] | undefined => {
  const objects: Readonly<Record<string, unknown>>[] = [];
  for (const [index, line] of lines.entries()) {
    const value = parseJson(line, 'line', { line: index + 1, nonFinite: 'null' });
    if (!isJsonFields(value)) return undefined;
    objects.push(value);
  }
  return objects;
};

/** The value, or undefined where the file is none of that format. */
const unlessFormatError = async <T>(read: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await read();
  } catch (error) {
    if (error instanceof FormatError || error instanceof ConfigError) return undefined;
    throw error;
  }
};

const parquetName = /\.(?:parquet|pq)$/iu;

/** The first rows of a Parquet file as a table. */
const parquetRows = async (file: string): Promise<SurveyedTable> => {
  const { columns: header, records } = await openParquetRecords(file);
  const rows: (readonly string[])[] = [];
  for await (const item of records()) {
    if (item.kind === 'record') rows.push(item.fields);
    if (rows.length >= MAX_LINES) break;
  }
  return { header, rows };
};

/** Each file is read once, however many readers ask. */
const remembered = <T>(read: (id: string) => Promise<T>): ((id: string) => Promise<T>) => {
  const byId = new Map<string, Promise<T>>();
  return (id) => {
    const value = byId.get(id) ?? read(id);
    byId.set(id, value);
    return value;
  };
};

/**
 * Surveys a path, through all links. At most 50,000 files and 5,000 folders are listed, 8 folders deep; of files, at most the
 * first rows are read.
 * @throws ConfigError where nothing is there
 */
export const surveyPath = async (path: string): Promise<PathSurvey> => {
  const stats = await stat(path).catch(() => undefined);
  if (!stats?.isFile() && !stats?.isDirectory()) {
    throw new ConfigError(
      `survey: expected a file or folder, got nothing at ${path}; give a path that exists`,
      {
        code: 'missing-path',
        fields: { path },
      },
    );
  }
  const isFile = stats.isFile();
  const root = isFile ? dirname(path) : path;
  const { files: listed, folders, complete } = await listBelow(root);
  const name = basename(path);
  const given = { id: name, name, extension: extname(name).toLowerCase(), folder: '' };
  const files = isFile ? [given] : listed;
  const at = (id?: string): string => (id === undefined ? path : id === '' ? root : join(root, id));
  const text = async (id: string): Promise<boolean> => !isBinary(await head(id)) || /\.gz$/iu.test(id);
  const head = remembered((id) => readHead(at(id)));
  const lines = remembered(async (id) =>
    (await text(id)) ? unlessFormatError(() => firstLines(at(id))) : undefined,
  );
  const jsonLines = remembered(async (id) => {
    const first = await lines(id);
    return first && unlessFormatError(async () => objectsOf(first));
  });
  const inFolder = new Map<string, SurveyedFile[]>();
  for (const file of listed) {
    const list = inFolder.get(file.folder);
    if (list) list.push(file);
    else inFolder.set(file.folder, [file]);
  }
  return {
    path,
    kind: isFile ? 'file' : 'folder',
    files,
    neighbours: listed,
    folders,
    complete,
    at,
    filesIn: (folder) => inFolder.get(folder) ?? [],
    foldersIn: (folder) => folders.filter((id) => id.slice(0, Math.max(0, id.lastIndexOf('/'))) === folder),
    head,
    lines,
    table: remembered(async (id) => {
      if (parquetName.test(id)) return unlessFormatError(() => parquetRows(at(id)));
      if (isJsonLinesName(id)) {
        const objects = await jsonLines(id);
        return objects && objectRows(objects);
      }
      return (await text(id)) ? unlessFormatError(() => surveyTable(at(id))) : undefined;
    }),
    jsonLines,
  };
};
