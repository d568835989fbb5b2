import { basename } from 'node:path';
import { ConfigError } from '@polygate/core';
import { ClassFinder, createLabelIndex } from '../class-names.ts';
import { readDelimited, type RecordItem } from '../delimited.ts';
import type { LinkOptions } from '../folder-listing.ts';
import { createImageFinder, type ImageFinder } from '../image-finder.ts';
import { ImageRows, rowKey } from '../image-rows.ts';
import { requireFile, requireFolder } from '../paths.ts';
import { fault, type Fault, type Reader, type ReaderItem, type Sample } from '../sample.ts';
import { canonicalSplit, splitColumns, SplitFinder } from '../split-names.ts';

const imageNames = [
  'image',
  'image_name',
  'filename',
  'file_name',
  'image_id',
  'image_path',
  'filepath',
  'file_path',
  'path',
  'file',
  'img',
  'img_path',
  'id',
  'photo',
  'picture',
] as const;
const labelNames = [
  'label',
  'labels',
  'class',
  'class_name',
  'category',
  'target',
  'breed',
  'species',
  'y',
] as const;

export interface LabelledTableOptions extends LinkOptions {
  /** The table, with a header line; quotes group a cell (RFC 4180). */
  readonly file: string;
  /** Folder of the pictures. */
  readonly images: string;
  /** @default the first of image, image_name, filename, file_name, image_id and the like */
  readonly imageColumn?: string;
  /** @default the first of label, labels, class, class_name, category, target and the like */
  readonly labelColumn?: string;
  /** Column that names the split of a row; `''` for none. @default `split` and the like, where its values name splits */
  readonly splitColumn?: string;
  /** @default the first of tab, `;`, `,` and `|` that the header line holds */
  readonly delimiter?: string;
  /** Put behind names without suffix, such as `.jpg`. @default the suffix of the one picture of that name */
  readonly suffix?: string;
  /** Class names in label order; labels are then names or indices. @default the labels that occur */
  readonly classes?: readonly string[];
}

interface Layout {
  readonly delimiter: string;
  readonly columns: readonly string[];
  readonly image: number;
  readonly label: number;
  /** -1 where there is none. */
  readonly split: number;
}

const firstRecord = async (file: string, delimiter: string): Promise<readonly string[]> => {
  for await (const item of readDelimited(file, { delimiter })) {
    return item.kind === 'record' ? item.fields.map((field) => field.trim()) : [];
  }
  throw new ConfigError(`labelled table ${file}: expected a header line, got an empty file`, {
    code: 'table-empty',
  });
};

const headerOf = async (
  options: LabelledTableOptions,
): Promise<{ delimiter: string; columns: readonly string[] }> => {
  const candidates = options.delimiter === undefined ? ['\t', ';', ',', '|'] : [options.delimiter];
  let best: { delimiter: string; columns: readonly string[] } | undefined;
  for (const delimiter of candidates) {
    const columns = await firstRecord(options.file, delimiter);
    if (!best || columns.length > best.columns.length) best = { delimiter, columns };
  }
  return best ?? { delimiter: ',', columns: [] };
};

const findColumn = (
  columns: readonly string[],
  wanted: { readonly role: string; readonly given: string | undefined; readonly known: readonly string[] },
  file: string,
): number => {
  const lower = columns.map((column) => column.toLowerCase());
  const names = wanted.given === undefined ? wanted.known : [wanted.given];
  const name = names.find((each) => lower.includes(each.toLowerCase()));
  if (name !== undefined) return lower.indexOf(name.toLowerCase());
  throw new ConfigError(
    `labelled table ${file}: expected the ${wanted.role} column to be named ${names
      .slice(0, 6)
      .map((each) => `"${each}"`)
      .join(
        ' or ',
      )}, got the columns ${columns.map((column) => `"${column}"`).join(', ')}; set ${wanted.role}Column to one of these`,
    { code: 'table-column', fields: { file, columns, expected: names } },
  );
};

const readLayout = async (options: LabelledTableOptions): Promise<Layout> => {
  const { delimiter, columns } = await headerOf(options);
  const { file, splitColumn } = options;
  const lower = columns.map((column) => column.toLowerCase());
  const split =
    splitColumn === ''
      ? -1
      : splitColumn === undefined
        ? lower.findIndex((column) => splitColumns.includes(column))
        : findColumn(columns, { role: 'split', given: splitColumn, known: [] }, file);
  const label = findColumn(columns, { role: 'label', given: options.labelColumn, known: labelNames }, file);
  const image = findColumn(columns, { role: 'image', given: options.imageColumn, known: imageNames }, file);
  return { delimiter, columns, image, label, split };
};

async function* recordsOf(file: string, delimiter: string): AsyncGenerator<RecordItem> {
  let header = true;
  for await (const item of readDelimited(file, { delimiter })) {
    if (header) header = false;
    else yield item;
  }
}

interface RowRules {
  readonly layout: Layout;
  readonly followed: boolean;
  readonly finder: ImageFinder;
  readonly classes: readonly string[];
  readonly labelOf: (value: unknown) => number | undefined;
}

const toRow = async (item: RecordItem, rules: RowRules): Promise<{ key: string; sample: Sample } | Fault> => {
  const { layout } = rules;
  const id = `line ${item.line}`;
  if (item.kind === 'bad-record') return fault(id, item.code, item.reason);
  if (item.fields.length !== layout.columns.length)
    return fault(id, 'field-count', `expected ${layout.columns.length} fields, got ${item.fields.length}`);
  const cell = (column: number): string => item.fields[column]?.trim() ?? '';
  const name = cell(layout.image);
  if (name === '') return fault(id, 'no-image-name', 'expected the name of a picture, got an empty field');
  const value = cell(layout.label);
  const label = rules.labelOf(value);
  if (value === '') return fault(`${name} (${id})`, 'no-label', 'expected a label, got an empty field');
  if (label === undefined) {
    const known = rules.classes.slice(0, 8).join(', ');
    return fault(`${name} (${id})`, 'unknown-label', `expected one of ${known}, got "${value.slice(0, 80)}"`);
  }
  const split = rules.followed ? canonicalSplit(cell(layout.split)) : undefined;
  if (rules.followed && split === undefined)
    return fault(`${name} (${id})`, 'no-split', 'expected the name of a split, got an empty field');
  const found = await rules.finder.find(name);
  if (found.kind === 'fault') return found;
  const image = { kind: 'path', path: found.path } as const;
  const sample: Sample = {
    kind: 'sample',
    id: found.key,
    image,
    label,
    ...(split === undefined ? {} : { split }),
  };
  return { key: rowKey(found.key, sample), sample };
};

/**
 * Reads a table of pictures and labels, as contests give them out (`image_id,label,split`). A column of splits is
 * followed where it names some; rows that name one picture are one sample.
 * @throws ConfigError for missing files, columns that are not there (listing those found), and no label at all
 */
export const openLabelledTable = async (options: LabelledTableOptions): Promise<Reader> => {
  const { file } = options;
  await requireFile(file, 'table file');
  await requireFolder(options.images, 'table images');
  const layout = await readLayout(options);
  const found = new ClassFinder(`labelled table ${file}`);
  const splits = new SplitFinder();
  let records = 0;
  for await (const item of recordsOf(file, layout.delimiter)) {
    if (item.kind !== 'record' || item.fields.length !== layout.columns.length) continue;
    records += 1;
    const label = item.fields[layout.label]?.trim() ?? '';
    if (label !== '' && !options.classes) found.add(label);
    if (layout.split >= 0) splits.add(item.fields[layout.split]);
  }
  const column = splits.decide(layout.columns[layout.split] ?? '', options.splitColumn !== undefined);
  const classes = options.classes ?? found.classes();
  if (classes.length === 0) {
    throw new ConfigError(
      `labelled table ${file}: expected labels in column "${layout.columns[layout.label] ?? ''}", got none in ${records} rows; set labelColumn to the column that holds them`,
      { code: 'no-labels', fields: { file } },
    );
  }
  const rules: RowRules = {
    layout,
    followed: column.followed,
    finder: createImageFinder(options.images, options),
    classes,
    labelOf: createLabelIndex(classes, { given: options.classes !== undefined }),
  };
  const rows = new ImageRows();
  for await (const item of recordsOf(file, layout.delimiter)) {
    const row = await toRow(item, rules);
    if ('key' in row) rows.expect(row.key);
  }
  rows.settle();
  return {
    name: basename(file),
    classes,
    ...(column.followed ? { splits: column.splits } : {}),
    ...(column.notes.length > 0 ? { notes: column.notes } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      const pass = rows.begin();
      for await (const item of recordsOf(file, layout.delimiter)) {
        const row = await toRow(item, rules);
        const next = 'key' in row ? pass.add(row.key, row.sample) : row;
        if (next) yield next;
      }
      yield* pass.rest();
    },
  };
};
