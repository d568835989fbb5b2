import { basename } from 'node:path';
import { ConfigError } from '@polygate/core';
import { ClassFinder, createLabelIndex } from '../samples/class-names.ts';
import { imageColumns, labelColumns } from '../tables/column-names.ts';
import type { RecordItem } from '../tables/delimited.ts';
import { z } from 'zod';
import { createImageFinder, type ImageFinder, type ImageNameOptions } from '../images/image-finder.ts';
import { ImageRows, rowKey } from '../samples/image-rows.ts';
import { requireFile, requireFolder } from '../files/paths.ts';
import { fault, type Fault, type Reader, type ReaderItem, type Sample } from '../samples/sample.ts';
import { noSplit, splitOfCell } from '../splits/split-cell.ts';
import { tableSplits, type TableSplits } from '../tables/table-splits.ts';
import { openTable, type Table, type TableOptions, type WantedColumn } from '../tables/table.ts';
import { imageColumn, labelColumn } from '../tables/wanted-columns.ts';
import { withClasses } from '../samples/class-renames.ts';
import { defineReader } from './dataset-reader.ts';
import {
  classSettings,
  columnSetting,
  linksSetting,
  prefixSetting,
  splitColumnOf,
  splitColumnSetting,
  tableSettings,
  textSetting,
} from './reader-settings.ts';
import type { PathSurvey, SurveyedTable } from '../survey/path-survey.ts';
import { imageTableVerdict, tableFit, type TableVerdict } from '../survey/table-fit.ts';

export interface LabelledTableOptions extends ImageNameOptions, TableOptions {
  /** The table, with a header line unless `header` is false. */
  readonly file: string;
  /** Folder of the images. */
  readonly images: string;
  /** @default the first of image, image_name, filename, file_name, image_id and the like */
  readonly imageColumn?: string | number;
  /** @default the first of label, labels, class, class_name, category, target and the like */
  readonly labelColumn?: string | number;
  /** Columns of which one is 1 and the others 0 in each row, in label order; their names are the classes. */
  readonly labelColumns?: readonly (string | number)[];
  /** Column that names the split of a row; `''` for none. @default one whose values name splits */
  readonly splitColumn?: string | number;
  /** Class names in label order; labels are then names or indices. @default the labels that occur */
  readonly classes?: readonly string[];
}

interface Layout {
  readonly columns: readonly string[];
  readonly image: number;
  /** The column of labels, or those of which one is 1. */
  readonly labels: readonly number[];
  /** -1 where none is followed. */
  readonly split: number;
}

const readTable = async (
  options: LabelledTableOptions,
): Promise<{ table: Table; layout: Layout; splits: TableSplits }> => {
  const { file, labelColumns: oneHot } = options;
  const image = imageColumn(options.imageColumn);
  const wanted = oneHot?.map((given): WantedColumn => ({ role: 'label', option: 'labelColumns', given })) ?? [
    labelColumn(options.labelColumn),
  ];
  const table = await openTable(file, options, [...wanted, image]);
  const { columns } = table;
  const labels = wanted.map((column) => table.column(column));
  const imageAt = table.column(image);
  const splits = await tableSplits(table, options.splitColumn, [imageAt, ...labels]);
  return { table, layout: { columns, image: imageAt, labels, split: splits.index }, splits };
};

const isOne = /^(?:1(?:\.0+)?|true)$/iu;
const isBit = /^(?:[01](?:\.0+)?|true|false)$/iu;

/** The label of a row: the text of its column, or the name of the one column that is 1. */
const labelOfRow = (
  fields: readonly string[],
  { columns, labels }: Layout,
): string | { readonly code: string; readonly reason: string } => {
  const cells = labels.map((column) => fields[column]?.trim() ?? '');
  if (cells.length === 1) return cells[0] ?? '';
  const other = cells.find((cell) => cell !== '' && !isBit.test(cell));
  if (other !== undefined)
    return {
      code: 'unknown-label',
      reason: `expected 0 or 1 in the columns of labels, got "${other.slice(0, 80)}"`,
    };
  const chosen = labels.filter((_, at) => isOne.test(cells[at] ?? ''));
  if (chosen.length > 1)
    return { code: 'several-labels', reason: `expected one label, got ${chosen.length} columns that are 1` };
  return columns[chosen[0] ?? -1]?.trim() ?? '';
};

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
  const cell = (column: number): string => item.fields[column]?.trim() ?? '';
  const name = cell(layout.image);
  if (name === '') return fault(id, 'no-image-name', 'expected the name of an image, got an empty field');
  const value = labelOfRow(item.fields, layout);
  if (typeof value !== 'string') return fault(`${name} (${id})`, value.code, value.reason);
  const label = rules.labelOf(value);
  if (value === '') return fault(`${name} (${id})`, 'no-label', 'expected a label, got an empty field');
  if (label === undefined) {
    const classNames = rules.classes.slice(0, 8).join(', ');
    return fault(
      `${name} (${id})`,
      'unknown-label',
      `expected one of ${classNames}, got "${value.slice(0, 80)}"`,
    );
  }
  const split = rules.followed ? splitOfCell(cell(layout.split)) : undefined;
  if (rules.followed && split === undefined) return noSplit(`${name} (${id})`, cell(layout.split));
  const file = await rules.finder.find(name);
  if (file.kind === 'fault') return file;
  const image = { kind: 'path', path: file.path } as const;
  const sample: Sample = {
    kind: 'sample',
    id: file.key,
    image,
    label,
    ...(split === undefined ? {} : { split }),
  };
  return { key: rowKey(file.key, sample), sample };
};

/**
 * Reads a table of images and labels, as contests give them out (`image_id,label,split`). A column of splits is
 * followed where it names some; rows that name one image are one sample.
 * @throws ConfigError for missing files, columns that are not there (listing those found), and no label at all
 */
export const openLabelledTable = async (options: LabelledTableOptions): Promise<Reader> => {
  const { file } = options;
  await requireFile(file, 'table file');
  await requireFolder(options.images, 'table images');
  const { table, layout, splits: column } = await readTable(options);
  const classFinder = new ClassFinder(`labelled table ${file}`);
  let records = 0;
  for await (const item of table.rows()) {
    if (item.kind !== 'record') continue;
    records += 1;
    const label = labelOfRow(item.fields, layout);
    if (typeof label === 'string' && label !== '' && !options.classes) classFinder.add(label);
  }
  const named = options.labelColumns && layout.labels.map((column) => table.columns[column]?.trim() ?? '');
  const classes = options.classes ?? named ?? classFinder.classes();
  if (classes.length === 0) {
    throw new ConfigError(
      `labelled table ${file}: expected labels in column "${layout.columns[layout.labels[0] ?? 0] ?? ''}", got none in ${records} rows; set labelColumn to the column that holds them`,
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
  for await (const item of table.rows()) {
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
      for await (const item of table.rows()) {
        const row = await toRow(item, rules);
        const next = 'key' in row ? pass.add(row.key, row.sample) : row;
        if (next) yield next;
      }
      yield* pass.rest();
    },
  };
};

/** Judges a table of images and columns of which one is 1 in each row. */
const oneHotVerdict = (survey: PathSurvey, table: SurveyedTable): TableVerdict => {
  const { header, rows } = table;
  const columns = header
    .map((_, at) => at)
    .filter((at) => rows.every((row) => isBit.test(row[at]?.trim() ?? '')));
  const [first] = columns;
  const single = rows.every((row) => columns.filter((at) => isOne.test(row[at]?.trim() ?? '')).length === 1);
  if (first === undefined || columns.length < 2 || rows.length === 0 || !single) return undefined;
  const role = `one-hot labels, one of ${columns.length} columns`;
  const verdict = imageTableVerdict(survey, table, {
    images: imageColumns,
    names: [header[first] ?? ''],
    role,
  });
  if (!verdict || 'nearly' in verdict) return verdict;
  return {
    ...verdict,
    settings: { ...verdict.settings, labelColumns: columns.map((at) => header[at] ?? '') },
  };
};

export const labelledTableReader = defineReader({
  name: 'labelled-table',
  summary: 'a table of images and labels, with or without a column of splits (Kaggle, pandas, Excel)',
  needs: 'a table with a column of names of images, one of labels, and the folder of the images',
  settings: {
    file: textSetting,
    images: textSetting,
    imageColumn: columnSetting.optional(),
    labelColumn: columnSetting.optional(),
    /** Columns of which one is 1 and the others 0 in each row, in label order. */
    labelColumns: z.array(columnSetting).min(2).optional(),
    splitColumn: splitColumnSetting,
    ...tableSettings,
    prefix: prefixSetting,
    suffix: textSetting.optional(),
    ...classSettings,
    links: linksSetting,
  },
  kinds: ['labelled-image'],
  paths: { file: 'all', images: 'images' },
  async open(settings, { within }) {
    const reader = await openLabelledTable({ ...settings, within, ...splitColumnOf(settings) });
    return { kind: 'labelled-image', ...withClasses(reader, settings) };
  },
  detect: (survey) =>
    tableFit(
      survey,
      (table) =>
        imageTableVerdict(survey, table, { images: imageColumns, names: labelColumns, role: 'labels' }) ??
        oneHotVerdict(survey, table),
    ),
});
