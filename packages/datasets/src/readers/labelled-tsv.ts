import { basename } from 'node:path';
import { ConfigError } from '@polygate/core';
import { readDelimited, type RecordItem } from '../delimited.ts';
import { requireFile } from '../paths.ts';
import { fault, type Reader, type ReaderItem } from '../sample.ts';
import { canonicalSplit, splitColumns, SplitFinder, type SplitColumn } from '../split-names.ts';

/** Most different labels that are collected from a file. */
const MAX_DISCOVERED_CLASSES = 10_000;

export interface LabelledTsvOptions {
  /** Tab-separated table, as the GLUE tasks have it: no quoting. */
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
   * @default `split` and the like, where its values name splits
   */
  readonly splitColumn?: string | number;
  /** Whether the first line names the columns (CoLA has none). @default true */
  readonly header?: boolean;
}

interface Layout {
  readonly header: boolean;
  readonly count: number;
  readonly texts: readonly number[];
  readonly label: number;
  /** Column of splits with its name; index -1 where there is none. */
  readonly split: { readonly index: number; readonly name: string };
}

const records = (file: string): AsyncGenerator<RecordItem> =>
  readDelimited(file, { delimiter: '\t', quoting: false });

const findColumn = (
  columns: readonly string[],
  wanted: string | number,
  options: LabelledTsvOptions,
): number => {
  const index = typeof wanted === 'number' ? wanted : columns.indexOf(wanted);
  if (index >= 0 && index < columns.length) return index;
  const found =
    (options.header ?? true)
      ? `the columns ${columns.map((column) => `"${column}"`).join(', ')}`
      : `${columns.length} columns without names`;
  throw new ConfigError(
    `labelled TSV ${options.file}: expected a column ${JSON.stringify(wanted)}, got ${found}; set textColumns and labelColumn to columns of this file`,
    { code: 'tsv-column', fields: { file: options.file, columns, wanted } },
  );
};

const findSplit = (columns: readonly string[], options: LabelledTsvOptions): Layout['split'] => {
  const { splitColumn } = options;
  const index =
    splitColumn === ''
      ? -1
      : splitColumn !== undefined
        ? findColumn(columns, splitColumn, options)
        : (options.header ?? true)
          ? columns.findIndex((column) => splitColumns.includes(column.toLowerCase()))
          : -1;
  return { index, name: columns[index] ?? '' };
};

const readLayout = async (options: LabelledTsvOptions): Promise<Layout> => {
  for await (const item of records(options.file)) {
    const fields = item.kind === 'record' ? item.fields.map((field) => field.trim()) : [];
    return {
      header: options.header ?? true,
      count: fields.length,
      texts: options.textColumns.map((column) => findColumn(fields, column, options)),
      label: findColumn(fields, options.labelColumn, options),
      split: findSplit(fields, options),
    };
  }
  throw new ConfigError(`labelled TSV ${options.file}: expected rows, got an empty file`, {
    code: 'tsv-empty',
  });
};

const discoverLabels = async (options: LabelledTsvOptions, layout: Layout): Promise<string[]> => {
  const seen = new Set<string>();
  let first = layout.header;
  for await (const item of records(options.file)) {
    const skip = first || item.kind === 'bad-record' || item.fields.length !== layout.count;
    first = false;
    if (skip) continue;
    seen.add(item.fields[layout.label]?.trim() ?? '');
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

const readSplits = async (options: LabelledTsvOptions, layout: Layout): Promise<SplitColumn> => {
  const finder = new SplitFinder();
  let first = layout.header;
  for await (const item of records(options.file)) {
    if (!first && item.kind === 'record' && item.fields.length === layout.count)
      finder.add(item.fields[layout.split.index]);
    first = false;
  }
  return finder.decide(layout.split.name, options.splitColumn !== undefined);
};

/** Reads a labelled table of texts. @throws ConfigError for missing files and columns (listing those found) */
export const openLabelledTsv = async (options: LabelledTsvOptions): Promise<Reader> => {
  await requireFile(options.file, 'table file');
  if (options.textColumns.length < 1 || options.textColumns.length > 2) {
    throw new ConfigError(
      `labelled TSV: expected one or two textColumns, got ${options.textColumns.length}; name a sentence or a pair`,
    );
  }
  const layout = await readLayout(options);
  const labels = options.labels ?? (await discoverLabels(options, layout));
  const classes = options.classes ?? labels;
  if (classes.length !== labels.length) {
    throw new ConfigError(
      `labelled TSV: expected as many classes as labels, got ${classes.length} and ${labels.length}; give one name for each of ${labels.join(', ')}`,
    );
  }
  const splits = layout.split.index < 0 ? undefined : await readSplits(options, layout);
  return {
    name: basename(options.file),
    classes,
    ...(splits?.followed ? { splits: splits.splits } : {}),
    ...(splits && splits.notes.length > 0 ? { notes: splits.notes } : {}),
    async *read(): AsyncGenerator<ReaderItem> {
      let first = layout.header;
      for await (const item of records(options.file)) {
        const id = `line ${item.line}`;
        if (first) first = false;
        else if (item.kind === 'bad-record') yield fault(id, item.code, item.reason);
        else if (item.fields.length !== layout.count) {
          yield fault(id, 'field-count', `expected ${layout.count} fields, got ${item.fields.length}`);
        } else {
          const value = item.fields[layout.label]?.trim() ?? '';
          const label = labels.indexOf(value);
          const texts = layout.texts.map((column) => item.fields[column]?.trim() ?? '');
          const split = splits?.followed ? canonicalSplit(item.fields[layout.split.index] ?? '') : undefined;
          if (label < 0)
            yield fault(
              id,
              'unknown-label',
              `expected one of ${labels.slice(0, 8).join(', ')}, got "${value}"`,
            );
          else if (texts.includes(''))
            yield fault(id, 'empty-text', 'expected a sentence, got an empty field');
          else if (splits?.followed && split === undefined)
            yield fault(id, 'no-split', 'expected the name of a split, got an empty field');
          else yield { kind: 'sample', id, texts, label, ...(split === undefined ? {} : { split }) };
        }
      }
    },
  };
};
