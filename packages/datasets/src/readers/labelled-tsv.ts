import { basename } from 'node:path';
import { ConfigError, excerpt } from '@polygate/core';
import { requireFile } from '../files/paths.ts';
import { fault, type Reader, type ReaderItem } from '../samples/sample.ts';
import { noSplit, splitOfCell } from '../splits/split-cell.ts';
import { tableSplits } from '../tables/table-splits.ts';
import { openTable, type Table, type TableOptions, type WantedColumn } from '../tables/table.ts';
import { z } from 'zod';
import { defineReader } from './dataset-reader.ts';
import {
  classesSetting,
  columnSetting,
  namesSetting,
  splitColumnOf,
  splitColumnSetting,
  tableSettings,
  textSetting,
} from './reader-settings.ts';
import { tableFit, textTableVerdict } from '../survey/table-fit.ts';

/** Most different labels that are collected from a file. */
const MAX_DISCOVERED_CLASSES = 10_000;

export interface LabelledTsvOptions extends TableOptions {
  /** A table as the GLUE tasks have it, with tabs and without quoting, or one with commas, semicolons or `|`. */
  readonly file: string;
  /** One column for single sentences, two for pairs; names, or indices from 0 where there is no header line. */
  readonly textColumns: readonly (string | number)[];
  readonly labelColumn: string | number;
  /** Label values in the file in class order. @default those that occur, in code-unit order */
  readonly labels?: readonly string[];
  /** Words for the labels, in the same order. @default the label values */
  readonly classes?: readonly string[];
  /**
   * Column that names the split of a row, by name or index; `''` for none.
   * @default one whose values name splits
   */
  readonly splitColumn?: string | number;
}

interface Layout {
  readonly texts: readonly number[];
  readonly label: number;
}

const wantedColumns = (options: LabelledTsvOptions) => {
  const texts = options.textColumns.map((given): WantedColumn => ({
    role: 'text',
    option: 'textColumns',
    given,
  }));
  const label: WantedColumn = { role: 'label', option: 'labelColumn', given: options.labelColumn };
  return { texts, label, all: [...texts, label] };
};

/** Values of one column, of the rows that are whole. */
async function* cells(table: Table, column: number): AsyncGenerator<string> {
  for await (const item of table.rows()) {
    if (item.kind === 'record') yield item.fields[column]?.trim().normalize('NFC') ?? '';
  }
}

const discoverLabels = async (
  options: LabelledTsvOptions,
  values: AsyncIterable<string>,
): Promise<string[]> => {
  const seen = new Set<string>();
  for await (const value of values) {
    seen.add(value);
    if (seen.size > MAX_DISCOVERED_CLASSES) {
      throw new ConfigError(
        `labelled TSV ${options.file}: expected at most ${MAX_DISCOVERED_CLASSES} labels, got more; is the label column right? Else give labels`,
        { code: 'tsv-labels' },
      );
    }
  }
  seen.delete('');
  return [...seen].sort();
};

/** Labels that no row has are a mistake of the setting, not of each row. */
const requireLabels = async (
  options: LabelledTsvOptions,
  labels: readonly string[],
  values: AsyncIterable<string>,
): Promise<void> => {
  const seen = new Set<string>();
  for await (const value of values) {
    if (labels.includes(value)) return;
    if (seen.size < 8) seen.add(value);
  }
  throw new ConfigError(
    `labelled TSV ${options.file}: expected rows with the labels ${excerpt(labels)}, got none; the column holds ${excerpt([...seen])}: set labels to its values, or labelColumn to another column`,
    { code: 'tsv-labels', fields: { file: options.file, labels } },
  );
};

/** Reads a labelled table of texts. @throws ConfigError for missing files and columns (listing those found) */
export const openLabelledTsv = async (options: LabelledTsvOptions): Promise<Reader> => {
  await requireFile(options.file, 'table file');
  if (options.textColumns.length < 1 || options.textColumns.length > 2) {
    throw new ConfigError(
      `labelled TSV: expected one or two textColumns, got ${options.textColumns.length}; name a sentence or a pair`,
    );
  }
  const wanted = wantedColumns(options);
  const table = await openTable(options.file, { ...options, usual: '\t' }, wanted.all);
  const layout: Layout = {
    texts: wanted.texts.map((column) => table.column(column)),
    label: table.column(wanted.label),
  };
  const given = options.labels?.map((label) => label.normalize('NFC'));
  if (given) await requireLabels(options, given, cells(table, layout.label));
  const labels = given ?? (await discoverLabels(options, cells(table, layout.label)));
  const classes = options.classes ?? labels;
  if (classes.length !== labels.length) {
    throw new ConfigError(
      `labelled TSV: expected as many classes as labels, got ${classes.length} and ${labels.length}; give one name for each of ${labels.join(', ')}`,
    );
  }
  const splits = await tableSplits(table, options.splitColumn, [...layout.texts, layout.label]);
  return {
    name: basename(options.file),
    classes,
    ...(splits.followed ? { splits: splits.splits } : {}),
    ...(splits.notes.length > 0 ? { notes: splits.notes } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      for await (const item of table.rows()) {
        const id = `line ${item.line}`;
        if (item.kind === 'bad-record') yield fault(id, item.code, item.reason);
        else {
          const value = item.fields[layout.label]?.trim().normalize('NFC') ?? '';
          const label = labels.indexOf(value);
          const texts = layout.texts.map((column) => item.fields[column]?.trim() ?? '');
          const split = splits.followed ? splitOfCell(item.fields[splits.index]) : undefined;
          if (label < 0)
            yield fault(
              id,
              'unknown-label',
              `expected one of ${labels.slice(0, 8).join(', ')}, got "${value}"`,
            );
          else if (texts.includes(''))
            yield fault(id, 'empty-text', 'expected a sentence, got an empty field');
          else if (splits.followed && split === undefined) yield noSplit(id, item.fields[splits.index] ?? '');
          else yield { kind: 'sample', id, texts, label, ...(split === undefined ? {} : { split }) };
        }
      }
    },
  };
};

export const labelledTsvReader = defineReader({
  name: 'labelled-tsv',
  summary: 'a table of sentences, or pairs of them, with labels (GLUE, pandas)',
  needs: 'a table with one or two columns of texts and one of labels',
  settings: {
    file: textSetting,
    textColumns: z.array(columnSetting).min(1).max(2),
    labelColumn: columnSetting,
    splitColumn: splitColumnSetting,
    ...tableSettings,
    labels: namesSetting.optional(),
    classes: classesSetting,
  },
  kinds: ['labelled-text'],
  paths: { file: 'all' },
  open: async (settings) => ({
    reader: await openLabelledTsv({ ...settings, ...splitColumnOf(settings) }),
    kind: 'labelled-text',
    ...(settings.textColumns.length === 2 ? { settings: { pairs: true } } : {}),
    classesGiven: settings.classes !== undefined,
  }),
  detect: (survey) => tableFit(survey, textTableVerdict),
});
