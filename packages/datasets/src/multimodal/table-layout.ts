/** Which columns of a table are inputs: files that cells name, a text, and what is left as numbers and categories. */
import type { StoredInput } from '@polygate/stream';
import type { LinkOptions } from '../files/folder-listing.ts';
import { requireFolder } from '../files/paths.ts';
import { createImageFinder, type ImageFinder } from '../images/image-finder.ts';
import type { Table, TableOptions } from '../tables/table.ts';
import type { TableSplits } from '../tables/table-splits.ts';
import { askedNames } from './asked-columns.ts';
import { ColumnSurvey, commaRemedy } from './table-columns.ts';

/** What columns of recordings are usually called. */
const audioColumns: readonly string[] = [
  'audio',
  'recording',
  'sound',
  'wav',
  'audio_file',
  'filename',
  'file_name',
  'file',
  'path',
];

/** How a table is read whose rows are samples. */
export interface MultimodalTableOptions extends TableOptions, LinkOptions {
  /** A table, or several of the same columns. */
  readonly file: string | readonly string[];
  /** Column of the classes. @default label, class, target and the like */
  readonly labelColumn?: string | number;
  /** Columns of numbers that are asked, in place of classes. */
  readonly numberColumns?: readonly (string | number)[];
  readonly classes?: readonly string[];
  /** Folder of the recordings that a column names. */
  readonly audio?: string;
  readonly audioColumn?: string | number;
  /** Folder of the images that a column names. */
  readonly images?: string;
  readonly imageColumn?: string | number;
  readonly textColumn?: string | number;
  /** Columns of the table that are an input. @default all others but names; none for an empty list */
  readonly columns?: readonly (string | number)[];
  readonly splitColumn?: string | number;
  readonly spectrogram?: Readonly<Record<string, number>>;
}

/** Indices of columns by what they are. */
export interface TableLayout {
  readonly asked: readonly number[];
  readonly files: readonly { readonly input: string; readonly index: number; readonly finder: ImageFinder }[];
  readonly text: number;
  readonly given: readonly number[] | undefined;
}

const columnAt = (
  table: Table,
  role: string,
  option: string,
  given: string | number | undefined,
  usual: readonly string[] = [],
) => table.column({ role, option, given, usual });

/** @throws ConfigError for columns and folders that are not there */
export const layoutOf = async (table: Table, options: MultimodalTableOptions): Promise<TableLayout> => {
  const asked = options.numberColumns?.map((given) => columnAt(table, 'number', 'numberColumns', given)) ?? [
    columnAt(table, 'label', 'labelColumn', options.labelColumn, askedNames),
  ];
  const files: TableLayout['files'][number][] = [];
  const add = async (input: string, folder: string | undefined, index: () => number): Promise<void> => {
    if (folder === undefined) return;
    await requireFolder(folder, `table ${input}`);
    files.push({ input, index: index(), finder: createImageFinder(folder, options) });
  };
  await add('audio', options.audio, () =>
    columnAt(table, 'recording', 'audioColumn', options.audioColumn, audioColumns),
  );
  await add('image', options.images, () =>
    columnAt(table, 'image', 'imageColumn', options.imageColumn, ['image', 'image_name']),
  );
  return {
    asked,
    files,
    text: options.textColumn === undefined ? -1 : columnAt(table, 'text', 'textColumn', options.textColumn),
    given: options.columns?.map((given) => columnAt(table, 'input', 'columns', given)),
  };
};

/** The columns that are an input, and what each holds. */
export interface TableInput {
  readonly indices: readonly number[];
  readonly columns: NonNullable<StoredInput['columns']>;
  readonly notes: readonly string[];
}

/** Looks at all rows for what the columns hold that are an input. */
export const tableInput = async (
  table: Table,
  layout: TableLayout,
  splits: TableSplits,
): Promise<TableInput> => {
  const used = new Set([
    ...layout.asked,
    ...layout.files.map(({ index }) => index),
    layout.text,
    splits.index,
  ]);
  const wanted = layout.given ?? table.columns.map((_, at) => at).filter((at) => !used.has(at));
  const surveys = wanted.map(() => new ColumnSurvey());
  for await (const item of table.rows())
    if (item.kind === 'record') wanted.forEach((index, at) => surveys[at]?.add(item.fields[index] ?? ''));
  const notes: string[] = [];
  const kept = wanted.flatMap((index, at) => {
    const name = table.columns[index] ?? String(index);
    const survey = surveys[at];
    const column = survey?.column(name);
    const comma = survey?.commas;
    if (comma !== undefined)
      notes.push(
        `column "${name}" holds numbers with commas, such as ${comma}, which are read as categories: where they are amounts, ${commaRemedy(comma)}`,
      );
    // A name says nothing of other rows; one that is asked for is taken all the same.
    if (column && (layout.given || !survey?.areNames(name))) {
      if (!layout.given && comma === undefined && survey?.wordings !== undefined)
        notes.push(
          `column "${name}" is read as ${survey.wordings} categories, which most rows share with no other: where it is a text, set textColumn to it; columns names those that are read`,
        );
      return [{ index, column }];
    }
    notes.push(
      `column "${name}" is not read: ${column ? 'each row has another one, as names, ids and numbers of rows are; columns names those that are read' : 'it holds nothing, or too many different texts'}`,
    );
    return [];
  });
  return { indices: kept.map(({ index }) => index), columns: kept.map(({ column }) => column), notes };
};
