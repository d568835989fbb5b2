/** Whether tables among the surveyed files have the columns that a reader wants. */
import { isImageName } from '../files/paths.ts';
import { ColumnSurvey } from '../multimodal/table-columns.ts';
import { SplitSearch } from '../splits/split-search.ts';
import type { ReaderFit } from '../readers/dataset-reader.ts';
import { clipColumns, columnIn, imageColumns } from '../tables/column-names.ts';
import { type NamedFiles, namedImages } from './named-images.ts';
import type { PathSurvey, SurveyedFile, SurveyedTable } from './path-survey.ts';
import { layoutFit, type FittingFile } from './split-sources.ts';

/** Tables that are opened, for a folder. */
const MAX_TABLES = 24;
/** Columns that are offered for an answer. */
const MAX_ASKS = 3;
const tableName = /\.(?:csv|tsv|tab|txt|token)(?:\.gz)?$/iu;

/** The table files of a survey: the given one, or those of the first two levels of a folder. */
const tablesOf = (survey: PathSurvey): readonly SurveyedFile[] =>
  survey.files
    .filter(({ name, id }) => tableName.test(name) && id.split('/').length <= 2)
    .slice(0, MAX_TABLES);

/** Cells of a column without what Flickr30k puts behind names. */
const cellsOf = (rows: readonly (readonly string[])[], column: number): string[] =>
  rows.map((row) => (row[column] ?? '').replace(/#\d+$/u, '')).filter((cell) => cell !== '');

/** Settings of where images are. */
const imagesOf = (
  survey: PathSurvey,
  { folder, suffix, prefix }: NamedFiles,
): Readonly<Record<string, string>> => ({
  images: survey.at(folder),
  ...(suffix === undefined ? {} : { suffix }),
  ...(prefix === undefined ? {} : { prefix }),
});

/** What a reader of tables says of one. */
export type TableVerdict =
  | { readonly settings: Readonly<Record<string, unknown>>; readonly reason: string }
  | {
      readonly nearly: string;
      /** What reads it once a person has answered one of `asks`. */
      readonly settings?: Readonly<Record<string, unknown>>;
      /** Settings such as `labelColumn=animal`. */
      readonly asks?: readonly string[];
    }
  | undefined;

/** Looks at the tables of a survey, and puts those that fit together. @param fit of a table that does */
export const tableFit = async (
  survey: PathSurvey,
  judge: (table: SurveyedTable, file: SurveyedFile) => TableVerdict,
  fit: 'published' | 'sure' = 'sure',
): Promise<ReaderFit | undefined> => {
  const fitting: (FittingFile & { readonly reason: string })[] = [];
  let nearly: string | undefined;
  let asked: Partial<Extract<ReaderFit, { fit: 'nearly' }>> = {};
  for (const file of tablesOf(survey)) {
    const table = await survey.table(file.id);
    const verdict = table && judge(table, file);
    if (!verdict) continue;
    if ('nearly' in verdict) {
      if (nearly === undefined && verdict.settings)
        asked = {
          sources: [
            {
              file: survey.at(file.id),
              ...verdict.settings,
              ...(table.quotes === undefined ? {} : { quotes: table.quotes }),
            },
          ],
          asks: verdict.asks ?? [],
        };
      nearly ??= `${file.id}: ${verdict.nearly}`;
    } else
      fitting.push({
        id: file.id,
        name: file.name,
        settings: {
          file: survey.at(file.id),
          ...verdict.settings,
          ...(table.quotes === undefined ? {} : { quotes: table.quotes }),
        },
        reason: `${file.id} ${verdict.reason}${table.quotes === 'csv' ? '; its cells are quoted as CSV quotes them (quotes: csv)' : ''}`,
      });
  }
  const read = layoutFit({ fitting, nearly, what: 'tables', fit });
  const more = fitting.length > 1 ? `, and ${fitting.length - 1} more for other splits` : '';
  if (read && read.fit === 'nearly')
    return fitting.length === 0 ? { ...read, ...asked, fit: 'nearly', reason: read.reason } : read;
  return read && { ...read, reason: `${read.reason}${more}` };
};

/** Index of the column that says the split of each row, -1 where none does. */
const columnOfSplits = ({ header, rows }: SurveyedTable, image: number): number => {
  const search = new SplitSearch([image]);
  for (const row of rows) search.addRow(header.map((name, key) => ({ key, name, value: row[key] })));
  return Number(search.resolve().key ?? -1);
};

/** Columns whose cells repeat, as those of classes do, and are more than one. */
const repeatingColumns = ({ header, rows }: SurveyedTable, image: number): readonly string[] =>
  header.filter((name, at) => {
    const cells = new Set(rows.map((row) => row[at] ?? ''));
    return at !== image && name !== '' && cells.size > 1 && cells.size * 2 <= rows.length;
  });

/** Words of a cell of a column of captions, at least, in the mean. */
const CAPTION_WORDS = 2;

/** Columns whose cells are of several words, as captions are. */
const wordyColumns = ({ header, rows }: SurveyedTable, image: number): readonly string[] =>
  header.filter((name, at) => {
    const cells = rows
      .map((row) => row[at] ?? '')
      .filter((cell) => /\p{L}/u.test(cell) && !isImageName(cell));
    const words = cells.reduce((sum, cell) => sum + cell.split(/\s+/u).length, 0);
    return at !== image && name !== '' && words >= CAPTION_WORDS * Math.max(1, rows.length);
  });

/**
 * The column whose cells are all names of images, whatever it is called; -1 where there is none, or several. One that is
 * called after clips has animations.
 */
const columnOfImages = ({ header, rows }: SurveyedTable): number => {
  const clips = columnIn(header, clipColumns);
  const columns = header
    .map((_, at) => at)
    .filter(
      (at) =>
        at !== clips &&
        rows.length > 0 &&
        rows.every((row) => isImageName((row[at] ?? '').replace(/#\d+$/u, ''))),
    );
  return columns.length === 1 ? (columns[0] ?? -1) : -1;
};

/** What else than images a table may hold: the columns that may be it where none is called so, and the setting that says which. */
const roles = {
  labels: { option: 'labelColumn', columns: repeatingColumns },
  captions: { option: 'captionColumn', columns: wordyColumns },
} as const;

/**
 * Judges a table of images and something else about them.
 * @param names usual names of the other column
 * @param role what it is, for reasons
 */
export const imageTableVerdict = (
  survey: PathSurvey,
  table: SurveyedTable,
  wanted: { readonly images: readonly string[]; readonly names: readonly string[]; readonly role: string },
): TableVerdict => {
  const { header, rows } = table;
  const usual = columnIn(header, wanted.images);
  const image = usual < 0 ? columnOfImages(table) : usual;
  const other = columnIn(header, wanted.names);
  if (image < 0 || image === other) return undefined;
  const imageColumn = usual < 0 ? { imageColumn: header[image] || image } : {};
  if (other < 0) {
    const role = wanted.role === 'labels' || wanted.role === 'captions' ? roles[wanted.role] : undefined;
    const split = header[columnOfSplits(table, image)];
    const asks = (role?.columns(table, image) ?? []).filter((name) => name !== split).slice(0, MAX_ASKS);
    const found = asks.length > 0 ? namedImages(survey, cellsOf(rows, image)) : undefined;
    if (!found || !cellsOf(rows, image).some(isImageName)) return undefined;
    return {
      nearly: `names of images in ${header[image] || `column ${image}`}, but no column of ${wanted.role} is called so (${wanted.names.slice(0, 4).join(', ')} ...)`,
      settings: { ...imagesOf(survey, found), ...imageColumn },
      asks: asks.map((name) => `${role?.option ?? ''}=${name}`),
    };
  }
  const columns = `has the columns ${header[image] ?? ''} (images) and ${header[other] ?? ''} (${wanted.role})`;
  const names = cellsOf(rows, image);
  const matches = namedImages(survey, names);
  if (!matches) {
    // A column called id is one of images only where images are called so.
    if (!names.some(isImageName)) return undefined;
    return {
      nearly: `${columns}, but no image is called ${names[0] ?? ''}: give the folder that holds both`,
    };
  }
  const folder = matches.folder === '' ? 'beside it' : `in ${matches.folder}`;
  return {
    settings: { ...imagesOf(survey, matches), ...imageColumn },
    reason: `${columns}, and the images are ${folder}`,
  };
};

/** Columns of texts, and of pairs of them, as the usual benchmarks call them. */
const textColumns: readonly (readonly string[])[] = [
  ['sentence1', 'sentence2'],
  ['premise', 'hypothesis'],
  ['question1', 'question2'],
  ['question', 'sentence'],
  ['text1', 'text2'],
  ['#1 String', '#2 String'],
  ...['text', 'sentence', 'review', 'content', 'tweet', 'comment', 'title'].map((name) => [name]),
];
const textLabels: readonly string[] = [
  'label',
  'labels',
  'gold_label',
  'class',
  'category',
  'sentiment',
  'target',
  'is_duplicate',
  'quality',
];

/** Texts of a row that are read, at most: a sentence, or a pair of them. */
const MAX_TEXTS = 2;

/** A name of a file, by its ending. */
const fileName = /\.[a-z][a-z0-9]{1,4}$/iu;

/**
 * Columns that hold the texts of a table where none is called so: of several words each, and most of them others. None
 * where a column names files, which the texts are then about.
 */
const textsOf = (table: SurveyedTable): readonly string[] => {
  const { header, rows } = table;
  const isMost = (count: number): boolean => count * 2 > rows.length;
  const namesFiles = header.some((_, at) =>
    isMost(rows.filter((row) => fileName.test(row[at] ?? '')).length),
  );
  if (rows.length < 2 || namesFiles) return [];
  return wordyColumns(table, -1).filter((name) =>
    isMost(new Set(rows.map((row) => row[header.indexOf(name)] ?? '')).size),
  );
};

/** Whether a column holds something that says what a row is: no names of rows, and not nothing. */
const saysSomething = ({ rows }: SurveyedTable, name: string, at: number): boolean => {
  const survey = new ColumnSurvey();
  for (const row of rows) survey.add(row[at] ?? '');
  return survey.column(name) !== undefined && !survey.areNames(name);
};

/** Judges a table of texts with labels. */
export const textTableVerdict = (table: SurveyedTable): TableVerdict => {
  const { header, rows } = table;
  const columns = textColumns.find((names) => names.every((name) => columnIn(header, [name]) >= 0));
  const usual = columns?.map((name) => header[columnIn(header, [name])] ?? name);
  const texts = usual ?? textsOf(table);
  if (texts.length === 0 || texts.length > MAX_TEXTS) return undefined;
  const image = columnIn(header, imageColumns);
  if (image >= 0 && rows.some((row) => isImageName(row[image] ?? ''))) return undefined;
  const label = columnIn(header, textLabels);
  const split = header[columnOfSplits(table, -1)];
  const taken = [...texts, split];
  if (label < 0) {
    const labels = repeatingColumns(table, -1).filter((name) => !taken.includes(name));
    const asks = labels.slice(0, MAX_ASKS).map((name) => `labelColumn=${name}`);
    if (!usual && asks.length === 0) return undefined;
    return {
      nearly: `texts in ${texts.join(' and ')}, but no column of labels${asks.length > 0 ? ` is called so (${textLabels.slice(0, 4).join(', ')} ...)` : ''}`,
      ...(asks.length > 0 ? { settings: { textColumns: texts }, asks } : {}),
    };
  }
  // Where there is more than texts and their label, no name says that the texts are all that counts.
  const others = header.filter(
    (name, at) => !taken.includes(name) && at !== label && saysSomething(table, name, at),
  );
  if (!usual && (texts.includes(header[label] ?? '') || others.length > 0)) return undefined;
  return {
    settings: { textColumns: texts, labelColumn: header[label] ?? '' },
    reason: `has texts in ${texts.join(' and ')} and labels in ${header[label] ?? ''}`,
  };
};
