import { basename } from 'node:path';
import { open } from 'node:fs/promises';
import { ConfigError, FormatError } from '@polygate/core';
import { readDelimited } from '../delimited.ts';
import { requireFile, requireFolder, resolveInside } from '../paths.ts';
import { fault, type Fault, type Reader, type ReaderItem } from '../sample.ts';

/** Longest header line, in bytes. */
const MAX_HEADER_BYTES = 64 << 10;
const imageNames = ['image', 'image_name', 'filename', 'file_name', 'file', 'path'];
const captionNames = ['caption', 'comment', 'text', 'description', 'title', 'raw'];
const delimiters = ['|', '\t', ';', ','];

export interface CaptionsCsvOptions {
  /** The table, with a header line. */
  readonly file: string;
  /** Folder of the pictures. */
  readonly images: string;
  /** @default the first of image, image_name, filename, file_name, file, path */
  readonly imageColumn?: string;
  /** @default the first of caption, comment, text, description, title, raw */
  readonly captionColumn?: string;
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

/** Rows of one picture are put together wherever they stand; its place is that of its first row. */
const collect = async (
  file: string,
  layout: { delimiter: string; image: number; caption: number; count: number },
): Promise<{ captions: Map<string, string[]>; faults: Fault[] }> => {
  const captions = new Map<string, string[]>();
  const faults: Fault[] = [];
  let header = true;
  for await (const item of readDelimited(file, {
    delimiter: layout.delimiter,
    quoting: layout.delimiter !== '|',
  })) {
    if (header) {
      header = false;
      continue;
    }
    const id = `line ${item.line}`;
    if (item.kind === 'bad-record') {
      faults.push(fault(id, item.code, item.reason));
      continue;
    }
    const name = item.fields[layout.image]?.trim() ?? '';
    const caption = item.fields[layout.caption]?.trim() ?? '';
    if (item.fields.length !== layout.count) {
      faults.push(fault(id, 'field-count', `expected ${layout.count} fields, got ${item.fields.length}`));
    } else if (name === '')
      faults.push(fault(id, 'no-image-name', 'expected the name of a picture, got an empty field'));
    else if (caption === '')
      faults.push(fault(`${name} (${id})`, 'empty-caption', 'expected a caption, got an empty text'));
    else {
      const list = captions.get(name);
      if (list) list.push(caption);
      else captions.set(name, [caption]);
    }
  }
  return { captions, faults };
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
  return {
    name: basename(options.file),
    async *read(): AsyncGenerator<ReaderItem> {
      const { captions, faults } = await collect(options.file, {
        delimiter,
        image,
        caption,
        count: columns.length,
      });
      yield* faults;
      for (const [name, texts] of captions) {
        const path = resolveInside(options.images, name);
        if (path === undefined) yield fault(name, 'path-outside', 'expected a path inside the image folder');
        else yield { kind: 'sample', id: name, image: { kind: 'path', path }, texts };
      }
    },
  };
};
