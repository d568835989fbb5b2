import { dirname, resolve } from 'node:path';
import { ConfigError, FormatError } from '@polygate/core';
import { walkFolder, type FoundFile, type LinkOptions } from '../files/folder-listing.ts';
import { isImageName, requireFolder } from '../files/paths.ts';
import { orderSplits, splitInName } from '../splits/split-names.ts';
import { openRowFile, type RowFile } from '../values/text-rows.ts';
import { openValueTable, type ValueReader, type ValueReaderOptions } from '../values/value-reader.ts';
import type { ValuePart } from '../values/value-table.ts';
import { plainValue, type ValueRows } from '../values/value-type.ts';
import { z } from 'zod';
import { defineReader } from './dataset-reader.ts';
import { splitColumnOf, textSetting } from './reader-settings.ts';
import { openedTable, valueTableSettings } from './value-table-settings.ts';

export interface ImageMetadataOptions extends ValueReaderOptions, LinkOptions {
  /** Folder of images with a table beside them, or with one in each folder of a split. */
  readonly path: string;
  /** Whether folders such as `train` and `test` say the splits. @default true */
  readonly splitsByName?: boolean;
}

const metadataName = /^metadata\.(?:csv|tsv|jsonl|parquet)$/iu;
/** Column of the names of images, as `datasets` has it; another may end in it (`image_file_name`). */
const NAME_COLUMN = 'file_name';
/** Column that is made of the folders in names of images, where a table at the top describes the folders of splits. */
const SPLIT_COLUMN = 'split';

const folderOf = ({ id }: FoundFile): string => id.slice(0, id.lastIndexOf('/') + 1);

const splitOf = (folder: string): string | undefined =>
  folder
    .split('/')
    .toReversed()
    .map(splitInName)
    .find((split) => split !== undefined);

const nameColumnOf = ({ columns }: RowFile): string | undefined => {
  const names = columns.map(({ name }) => name);
  const others = names.filter((name) => name.toLowerCase().endsWith(`_${NAME_COLUMN}`));
  return (
    names.find((name) => name.toLowerCase() === NAME_COLUMN) ?? (others.length === 1 ? others[0] : undefined)
  );
};

/** A table with a column of the splits whose folders the names of its images begin with. */
const withSplits = (file: RowFile, nameColumn: string): RowFile => ({
  ...file,
  columns: [...file.columns, { name: SPLIT_COLUMN, type: 'text' }],
  async *groups(wanted): AsyncGenerator<ValueRows> {
    const asked = wanted.includes(SPLIT_COLUMN) ? [...new Set([...wanted, nameColumn])] : wanted;
    for await (const rows of file.groups(asked.filter((name) => name !== SPLIT_COLUMN))) {
      const read = rows.columns.get(nameColumn);
      const split = (row: number): unknown => {
        const name = plainValue(read?.(row));
        return typeof name === 'string' ? splitInName(name.split(/[\\/]/u)[0] ?? '') : undefined;
      };
      yield { ...rows, columns: new Map([...rows.columns, [SPLIT_COLUMN, split]]) };
    }
  },
});

interface Found {
  readonly tables: readonly FoundFile[];
  /** Paths of the images. */
  readonly images: ReadonlySet<string>;
  /** Whether folders at the top are called as splits are. */
  readonly splits: boolean;
}

const findTables = async (options: ImageMetadataOptions): Promise<Found> => {
  const tables: FoundFile[] = [];
  const top = new Set<string>();
  const images = new Set<string>();
  for await (const file of walkFolder(options.path, options)) {
    if (file.kind === 'file' && metadataName.test(file.name)) tables.push(file);
    if (file.kind === 'file' && isImageName(file.name)) images.add(resolve(file.path));
    if (file.id.includes('/')) top.add(file.id.slice(0, file.id.indexOf('/')));
  }
  const endings = new Set(tables.map(({ name }) => name.slice(name.lastIndexOf('.')).toLowerCase()));
  if (tables.length === 0 || endings.size > 1)
    throw new ConfigError(
      `images with metadata ${options.path}: expected metadata.csv, metadata.jsonl or metadata.parquet beside the images, one kind of them, got ${tables.length === 0 ? 'none' : [...endings].join(' and ')}; ${tables.length === 0 ? 'give another folder, or read folders of classes with image-folder' : 'leave one kind'}`,
      { code: 'no-metadata', fields: { path: options.path } },
    );
  return { tables, images, splits: [...top].some((name) => splitInName(name) !== undefined) };
};

/** What is told of a table in the folder of a split whose column says another split for some rows. */
const splitNote = async (table: FoundFile, file: RowFile, split: string): Promise<string | undefined> => {
  const said: string[] = [];
  for await (const { length, columns } of file.groups([SPLIT_COLUMN])) {
    const read = columns.get(SPLIT_COLUMN);
    for (let row = 0; row < length; row += 1) {
      const value = plainValue(read?.(row));
      const named = typeof value === 'string' ? splitInName(value) : undefined;
      if (named !== undefined && named !== split) said.push(named);
    }
  }
  if (said.length === 0) return undefined;
  const rows = said.length === 1 ? '1 row says' : `${said.length} rows say`;
  return `${table.id}: ${rows} another split in the column "${SPLIT_COLUMN}" (${orderSplits(said).join(', ')}) than ${said.length === 1 ? 'its' : 'their'} folder (${split}), which is followed; set splitColumn to "${SPLIT_COLUMN}" to follow the column`;
};

const partOf = async (
  table: FoundFile,
  { options, survey }: { readonly options: ImageMetadataOptions; readonly survey: Found },
): Promise<{
  readonly part: ValuePart;
  readonly nameColumn: string;
  readonly note: string | undefined;
}> => {
  const file = await openRowFile(table.path, NAME_COLUMN, options.budgets);
  const nameColumn = options.imageColumn ?? nameColumnOf(file);
  if (nameColumn === undefined)
    throw new ConfigError(
      `${table.id}: expected a column "${NAME_COLUMN}" of the names of images, got the columns ${file.columns.map(({ name }) => name).join(', ')}; rename it, or set imageColumn`,
      { code: 'table-column', fields: { path: table.path } },
    );
  const folder = folderOf(table);
  const byName = options.splitsByName ?? true;
  const split = byName ? splitOf(folder) : undefined;
  const hasColumn = file.columns.some(({ name }) => name === SPLIT_COLUMN);
  const described = byName && folder === '' && survey.splits && !hasColumn;
  const part: ValuePart = {
    id: table.id,
    idPrefix: folder,
    ...(split === undefined ? {} : { split }),
    folder: dirname(table.path),
    ...(described ? withSplits(file, nameColumn) : file),
  };
  const note = split !== undefined && hasColumn ? await splitNote(table, file, split) : undefined;
  return { part, nameColumn, note };
};

/** @throws ConfigError where the folders of some tables are called as splits are and those of others are not */
const requireAllOrNone = (path: string, opened: readonly { readonly part: ValuePart }[]): void => {
  const parts = opened.map(({ part }) => part);
  const named = orderSplits(parts.flatMap(({ split }) => split ?? []));
  const without = parts.find(({ split }) => split === undefined);
  if (named.length === 0 || !without) return;
  throw new ConfigError(
    `images with metadata ${path}: expected tables in the folders of splits alone, or in none of them, got ${named.join(', ')} and ${without.id}; move it, give the folder of one split, or set split, which takes all of them for one`,
    { code: 'unnamed-split', fields: { path, splits: named } },
  );
};

/**
 * Reads images described by tables beside them, as `load_dataset("imagefolder")` does: metadata.csv, metadata.jsonl or
 * metadata.parquet in the folder or in those of its splits, with `file_name` counted from the table's own folder, and
 * captions (`text`) or labels (`label`). Images without a row are left out.
 * @throws ConfigError for folders without such a table, and columns that are missing or can't be told apart
 */
export const openImageMetadata = async (options: ImageMetadataOptions): Promise<ValueReader> => {
  await requireFolder(options.path, 'images with metadata');
  const survey = await findTables(options);
  const opened: Awaited<ReturnType<typeof partOf>>[] = [];
  for (const table of survey.tables) opened.push(await partOf(table, { options, survey }));
  requireAllOrNone(options.path, opened);
  const { images: _, ...rest } = options;
  const imageColumn = opened[0]?.nameColumn ?? NAME_COLUMN;
  const table = { name: `images with metadata ${options.path}`, parts: opened.map(({ part }) => part) };
  const value = await openValueTable(table, { ...rest, imageColumn });
  const { reader } = value;
  let named = 0;
  for await (const item of reader.read()) {
    const path = item.kind === 'sample' && item.image?.kind === 'path' ? item.image.path : undefined;
    // A row of a file that is not there names none of the images.
    const names =
      path === undefined
        ? item.kind !== 'fault' || item.code !== 'missing-file'
        : survey.images.has(resolve(path));
    if (names) named += 1;
  }
  const without = survey.images.size - named;
  const notes = [
    ...(reader.notes ?? []),
    ...opened.flatMap(({ note }) => note ?? []),
    ...(without > 0
      ? [
          `${without} of ${survey.images.size} images have no row in ${survey.tables[0]?.name ?? ''}: left out`,
        ]
      : []),
  ];
  return { ...value, reader: { ...reader, ...(notes.length > 0 ? { notes } : {}) } };
};

const { images: _images, textColumns: _texts, kind: _kind, ...columnSettings } = valueTableSettings;
const kinds = ['captioned-image', 'labelled-image'] as const;

export const imageMetadataReader = defineReader({
  name: 'image-metadata',
  summary: 'images with metadata.csv, .jsonl or .parquet beside them, as imagefolder of datasets reads them',
  needs:
    'metadata.csv, metadata.jsonl or metadata.parquet with file_name and text or label, also in folders of splits',
  settings: {
    path: textSetting,
    /** @default what the columns are */
    kind: z.enum(kinds).optional(),
    ...columnSettings,
  },
  kinds,
  paths: { path: 'all' },
  async open(settings, { within, budgets }) {
    const splitsByName = settings.split === undefined && settings.splitColumn === undefined;
    const options = { ...settings, within, budgets, splitsByName, ...splitColumnOf(settings) };
    return openedTable(await openImageMetadata(options), settings);
  },
  async detect(survey) {
    const tables = survey.files.filter(({ name }) => metadataName.test(name));
    const [first] = tables;
    if (!first || survey.kind === 'file') return undefined;
    try {
      const file = await openRowFile(survey.at(first.id), NAME_COLUMN);
      const column = nameColumnOf(file);
      const names = file.columns.map(({ name }) => name).join(', ');
      if (column === undefined)
        return { fit: 'nearly', reason: `${first.id} with the columns ${names}, but no "${NAME_COLUMN}"` };
      const { kind } = await openImageMetadata({ path: survey.at() });
      return {
        // A name and a column of their own, which more general readers of tables may read, too.
        fit: 'published',
        reason: `${first.id} beside the images, with the columns ${names}, read as ${kind}`,
        sources: [{ path: survey.at(), kind }],
      };
    } catch (error) {
      if (!(error instanceof ConfigError || error instanceof FormatError)) throw error;
      return { fit: 'nearly', reason: error.message };
    }
  },
});
