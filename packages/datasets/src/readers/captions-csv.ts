import { basename } from 'node:path';
import { open } from 'node:fs/promises';
import { ConfigError, FormatError } from '@polygate/core';
import { readDelimited, type RecordItem } from '../delimited.ts';
import type { LinkOptions } from '../folder-listing.ts';
import { createImageFinder, type ImageFinder } from '../image-finder.ts';
import { joinRows, rowKey } from '../image-rows.ts';
import { requireFile, requireFolder } from '../paths.ts';
import { fault, type Fault, type Reader, type ReaderItem, type Sample } from '../sample.ts';
import { canonicalSplit, splitColumns, SplitFinder, type SplitColumn } from '../split-names.ts';

/** Longest header line, in bytes. */
const MAX_HEADER_BYTES = 64 << 10;
const imageNames = ['image', 'image_name', 'filename', 'file_name', 'file', 'path'];
const captionNames = ['caption', 'comment', 'text', 'description', 'title', 'raw'];
const delimiters = ['|', '\t', ';', ','];

export interface CaptionsCsvOptions extends LinkOptions {
  /** The table, with a header line. */
  readonly file: string;
  /** Folder of the pictures. */
  readonly images: string;
  /** @default the first of image, image_name, filename, file_name, file, path */
  readonly imageColumn?: string;
  /** @default the first of caption, comment, text, description, title, raw */
  readonly captionColumn?: string;
  /** Column that names the split of a row; `''` for none. @default `split` and the like, where its values name splits */
  readonly splitColumn?: string;
  /** @default the first of `|`, tab, `;` and `,` that the header line holds */
  readonly delimiter?: string;
}

const headerLine = async (path: string): Promise<string> => {
  const handle = await open(path, 'r');
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(MAX_HEADER_BYTES), 0, MAX_HEADER_BYTES, 0);
    const text = buffer
      .subarray(0, bytesRead)
      .toString('utf8')
      .replace(/^\uFEFF/u, '');
    const end = text.indexOf('\n');
    if (end < 0 && bytesRead === MAX_HEADER_BYTES) {
      throw new FormatError(
        `captions CSV ${path}: expected a header line of at most ${MAX_HEADER_BYTES} bytes, got a longer one; is it a text table?`,
        { code: 'csv-header', fields: { path } },
      );
    }
    return (end < 0 ? text : text.slice(0, end)).replace(/\r$/u, '');
  } finally {
    await handle.close();
  }
};

const findColumn = (
  columns: readonly string[],
  wanted: { readonly role: string; readonly given: string | undefined; readonly known: readonly string[] },
  path: string,
): number => {
  const names = wanted.given === undefined ? wanted.known : [wanted.given];
  const lower = columns.map((column) => column.toLowerCase());
  for (const name of names) {
    const index = lower.indexOf(name.toLowerCase());
    if (index >= 0) return index;
  }
  throw new ConfigError(
    `captions CSV ${path}: expected the ${wanted.role} column to be named ${names.map((name) => `"${name}"`).join(' or ')}, got the columns ${columns.map((column) => `"${column}"`).join(', ')}; set ${wanted.role}Column to one of these`,
    { code: 'csv-column', fields: { path, columns, expected: names } },
  );
};

interface Layout {
  readonly delimiter: string;
  readonly image: number;
  readonly caption: number;
  /** -1 where no column of splits is followed. */
  readonly split: number;
  readonly count: number;
}

async function* rowsOf(file: string, layout: Pick<Layout, 'delimiter'>): AsyncGenerator<RecordItem> {
  let header = true;
  const quoting = layout.delimiter !== '|';
  for await (const item of readDelimited(file, { delimiter: layout.delimiter, quoting })) {
    if (header) header = false;
    else yield item;
  }
}

/** A row's picture and caption, or what is wrong with it. */
const toRow = async (
  item: RecordItem,
  layout: Layout,
  finder: ImageFinder,
): Promise<{ readonly key: string; readonly sample: Sample } | Fault> => {
  const id = `line ${item.line}`;
  if (item.kind === 'bad-record') return fault(id, item.code, item.reason);
  const name = item.fields[layout.image]?.trim() ?? '';
  const caption = item.fields[layout.caption]?.trim() ?? '';
  if (item.fields.length !== layout.count)
    return fault(id, 'field-count', `expected ${layout.count} fields, got ${item.fields.length}`);
  if (name === '') return fault(id, 'no-image-name', 'expected the name of a picture, got an empty field');
  if (caption === '')
    return fault(`${name} (${id})`, 'empty-caption', 'expected a caption, got an empty text');
  const split = layout.split < 0 ? undefined : canonicalSplit(item.fields[layout.split] ?? '');
  if (layout.split >= 0 && split === undefined)
    return fault(`${name} (${id})`, 'no-split', 'expected the name of a split, got an empty field');
  const found = await finder.find(name);
  if (found.kind === 'fault') return found;
  const image = { kind: 'path', path: found.path } as const;
  const named = split === undefined ? {} : { split };
  const sample: Sample = { kind: 'sample', id: found.key, image, texts: [caption], ...named };
  return { key: rowKey(found.key, sample), sample };
};

/** Rows of one picture are put together wherever they stand; its place is that of its first row. */
const collect = async (
  file: string,
  layout: Layout,
  finder: ImageFinder,
): Promise<{ samples: Map<string, Sample[]>; faults: Fault[] }> => {
  const samples = new Map<string, Sample[]>();
  const faults: Fault[] = [];
  for await (const item of rowsOf(file, layout)) {
    const row = await toRow(item, layout, finder);
    if ('code' in row) faults.push(row);
    else {
      const list = samples.get(row.key);
      if (list) list.push(row.sample);
      else samples.set(row.key, [row.sample]);
    }
  }
  return { samples, faults };
};

/** The column of splits: the one that is named, else the first that is called so. */
const splitColumn = async (
  options: CaptionsCsvOptions,
  columns: readonly string[],
  delimiter: string,
): Promise<SplitColumn & { readonly index: number }> => {
  const { file, splitColumn: given } = options;
  const index =
    given === ''
      ? -1
      : given === undefined
        ? columns.findIndex((column) => splitColumns.includes(column.toLowerCase()))
        : findColumn(columns, { role: 'split', given, known: [] }, file);
  const finder = new SplitFinder();
  if (index >= 0) {
    for await (const item of rowsOf(file, { delimiter })) {
      if (item.kind === 'record' && item.fields.length === columns.length) finder.add(item.fields[index]);
    }
  }
  return { ...finder.decide(columns[index] ?? '', given !== undefined), index };
};

/**
 * Reads a table of pictures and captions, one caption a row, as Flickr30k (`image_name| comment_number| comment`) and
 * Flickr8k (`image,caption`) have it; one sample per picture with all of its captions.
 * @throws ConfigError for missing files and for columns that are not there (listing those found)
 */
export const openCaptionsCsv = async (options: CaptionsCsvOptions): Promise<Reader> => {
  await requireFile(options.file, 'captions file');
  await requireFolder(options.images, 'captions images');
  const line = await headerLine(options.file);
  const delimiter = options.delimiter ?? delimiters.find((candidate) => line.includes(candidate)) ?? ',';
  const columns = line.split(delimiter).map((column) => column.trim().replace(/^"(.*)"$/u, '$1'));
  const image = findColumn(
    columns,
    { role: 'image', given: options.imageColumn, known: imageNames },
    options.file,
  );
  const caption = findColumn(
    columns,
    { role: 'caption', given: options.captionColumn, known: captionNames },
    options.file,
  );
  const splits = await splitColumn(options, columns, delimiter);
  const layout: Layout = {
    delimiter,
    image,
    caption,
    split: splits.followed ? splits.index : -1,
    count: columns.length,
  };
  const finder = createImageFinder(options.images, options);
  return {
    name: basename(options.file),
    ...(splits.followed ? { splits: splits.splits } : {}),
    ...(splits.notes.length > 0 ? { notes: splits.notes } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      const { samples, faults } = await collect(options.file, layout, finder);
      yield* faults;
      for (const rows of samples.values()) yield joinRows(rows);
    },
  };
};
