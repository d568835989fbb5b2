/** Whether tables at a path are ones whose rows are samples: numbers and categories with a label, also beside recordings. */
import { isImageName } from '../files/paths.ts';
import { SOUND_EXTENSIONS } from '../audio/decode-sound.ts';
import type { ReaderFit } from '../readers/dataset-reader.ts';
import { namedFiles } from '../survey/named-images.ts';
import type { PathSurvey, SurveyedFile, SurveyedTable } from '../survey/path-survey.ts';
import { someOf } from '../survey/split-sources.ts';
import { textTableVerdict } from '../survey/table-fit.ts';
import { columnIn } from '../tables/column-names.ts';
import { splitOfFile } from '../splits/split-names.ts';
import { SplitSearch } from '../splits/split-search.ts';
import { askedNames } from './asked-columns.ts';
import { ColumnSurvey } from './table-columns.ts';

/** Tables that are opened, for a folder. */
const MAX_TABLES = 24;
const tableName = /\.(?:(?:csv|tsv|tab|txt|jsonl|ndjson)(?:\.gz)?|parquet|pq)$/iu;
/** Least share of the rows that name a recording which is there, in a column of recordings. */
const MIN_NAMED = 0.5;

/** What the columns of a table hold, as its first rows show it. */
interface Judged {
  readonly file: SurveyedFile;
  readonly table: SurveyedTable;
  readonly recordings?: { readonly column: string; readonly folder: string };
  /** The column that is asked, by its name. */
  readonly asked?: { readonly column: string; readonly isNumber: boolean };
  /** Other columns that say something of a row. */
  readonly numbers: readonly string[];
  readonly categories: readonly string[];
  /** Numbers that are written with commas, which make categories. */
  readonly commas: readonly string[];
}

const isSound = ({ name }: { readonly name: string }): boolean =>
  SOUND_EXTENSIONS.some((extension) => name.toLowerCase().endsWith(extension));

/** The column whose cells name recordings that are there. */
const recordingsOf = (
  survey: PathSurvey,
  { header, rows }: SurveyedTable,
): Judged['recordings'] | undefined => {
  for (const [at, column] of header.entries()) {
    const names = rows.map((row) => (row[at] ?? '').trim()).filter((cell) => isSound({ name: cell }));
    const matches = names.length === 0 ? undefined : namedFiles(survey, names, isSound);
    if (matches && matches.suffix === undefined && matches.count >= matches.of * MIN_NAMED)
      return { column, folder: matches.folder };
  }
  return undefined;
};

/** Columns that name files, texts or splits say nothing as numbers or categories. */
const judge = (survey: PathSurvey, file: SurveyedFile, table: SurveyedTable): Judged | undefined => {
  const { header, rows } = table;
  const isNamed = header.some((name) => Number.isNaN(Number(name)));
  if (!isNamed || new Set(header).size < header.length || header.some(isImageName)) return undefined;
  const recordings = recordingsOf(survey, table);
  const splits = new SplitSearch([]);
  const surveys = header.map(() => new ColumnSurvey());
  for (const row of rows) {
    splits.addRow(header.map((name, key) => ({ key, name, value: row[key] })));
    surveys.forEach((each, at) => each.add(row[at] ?? ''));
  }
  const split = splits.resolve().key;
  const label = columnIn(header, askedNames);
  const numbers: string[] = [];
  const categories: string[] = [];
  const commas: string[] = [];
  for (const [at, name] of header.entries()) {
    const column = surveys[at];
    const isFile = rows.some((row) => isImageName(row[at] ?? ''));
    if (!column?.column(name) || at === label || at === split || name === recordings?.column || isFile)
      continue;
    if (column.commas !== undefined) commas.push(name);
    if (column.commas !== undefined || column.areNames(name)) continue;
    if (column.numbers !== 'none') numbers.push(name);
    else if (column.repeats) categories.push(name);
  }
  const asked = label < 0 ? undefined : surveys[label];
  return {
    file,
    table,
    ...(recordings ? { recordings } : {}),
    ...(asked ? { asked: { column: header[label] ?? '', isNumber: asked.numbers === 'any' } } : {}),
    numbers,
    categories,
    commas,
  };
};

/** What is read, in words: `the numbers age, days and the categories ward`. */
const inWords = ({ numbers, categories, commas, recordings }: Judged): string =>
  [
    ...(recordings ? [`recordings in ${recordings.column}`] : []),
    ...(numbers.length > 0 ? [`numbers in ${someOf(numbers, 6)}`] : []),
    ...(categories.length > 0 ? [`categories in ${someOf(categories, 6)}`] : []),
    ...(commas.length > 0
      ? [`numbers with commas in ${someOf(commas, 6)}, which are categories unless written with points`]
      : []),
  ].join(', ');

const settingsOf = (
  survey: PathSurvey,
  { table, recordings, asked }: Judged,
  file: string | readonly string[],
): Readonly<Record<string, unknown>> => ({
  file,
  ...(recordings ? { audio: survey.at(recordings.folder), audioColumn: recordings.column } : {}),
  ...(asked ? (asked.isNumber ? { numberColumns: [asked.column] } : { labelColumn: asked.column }) : {}),
  ...(table.quotes === undefined ? {} : { quotes: table.quotes }),
});

/** How many columns are offered as the label. */
const MAX_LABELS = 3;

/**
 * How a person says which column is asked: the columns of fewest categories, as those of classes are, of equal ones the last
 * first, as the label often is; and a number, with fractions where one has them.
 */
const examples = ({ numbers, categories, table: { header, rows } }: Judged): string[] => {
  const cellsOf = (name: string): Set<string> => new Set(rows.map((row) => row[header.indexOf(name)] ?? ''));
  const sized = categories.toReversed().map((name) => ({ name, size: cellsOf(name).size }));
  const labels = sized
    .filter(({ size }) => size > 1 && size * 2 <= rows.length)
    .toSorted((a, b) => a.size - b.size)
    .slice(0, MAX_LABELS);
  const hasFractions = (name: string): boolean => [...cellsOf(name)].some((cell) => Number(cell) % 1 !== 0);
  const number = numbers.findLast(hasFractions) ?? numbers.at(-1);
  return [
    ...labels.map(({ name }) => `labelColumn=${name}`),
    ...(number === undefined ? [] : [`numberColumns=["${number}"]`]),
  ];
};

const sameColumns = (a: Judged, b: Judged): boolean =>
  a.table.header.length === b.table.header.length &&
  a.table.header.every((name) => b.table.header.includes(name));

/** What tables at a path are read as; undefined where they have nothing to do with samples of several inputs. */
const fitOfTables = (survey: PathSurvey, tables: readonly Judged[]): ReaderFit | undefined => {
  const asking = tables.filter(({ asked }) => asked);
  const all = asking.length > 0 ? asking : tables;
  const first = all.find(({ file }) => splitOfFile(file.name) === 'train') ?? all[0];
  if (!first) return undefined;
  const { recordings, asked, file } = first;
  const others = all.filter((each) => each !== first);
  if (others.some((each) => !sameColumns(first, each) || each.file.extension !== file.extension)) {
    const ids = all.map((each) => each.file.id);
    const reason = `${ids.length} tables fit (${someOf(ids)}), which are not of one kind: give the path of one of them`;
    return { fit: 'nearly', reason };
  }
  const more = others.length > 0 ? `, and ${others.length} more of the same columns` : '';
  const shown = `${file.id}: ${inWords(first)}`;
  const files = [first, ...others].map((each) => survey.at(each.file.id));
  const sources = [settingsOf(survey, first, files.length > 1 ? files : (files[0] ?? ''))];
  if (!asked) {
    const reason = `${shown}, but no column is called as those that are asked are (${someOf(askedNames, 6)})${more}`;
    return { fit: 'nearly', reason, sources, asks: examples(first) };
  }
  const role = asked.isNumber ? 'the number' : 'the label';
  const reason = `${shown}, with ${role} in ${asked.column}${more}`;
  return { fit: recordings ? 'sure' : 'likely', reason, sources };
};

/** How the reader of multimodal tables takes what lies at a path. */
export const multimodalTableFit = async (survey: PathSurvey): Promise<ReaderFit | undefined> => {
  const sounds = survey.files.filter(isSound);
  const tables: Judged[] = [];
  const named = survey.files.filter(({ name, id }) => tableName.test(name) && id.split('/').length <= 2);
  for (const file of named.slice(0, MAX_TABLES)) {
    const table = await survey.table(file.id);
    const judged = table && judge(survey, file, table);
    if (!judged) continue;
    const { recordings, numbers, categories, commas } = judged;
    const text = textTableVerdict(table);
    // Texts with labels, and names of images, are those of other readers.
    const isOthers = (text && !('nearly' in text)) || survey.files.some(({ name }) => isImageName(name));
    if (recordings || (!isOthers && numbers.length + categories.length + commas.length > 0))
      tables.push(judged);
  }
  const heard = tables.filter(({ recordings }) => recordings);
  if (sounds.length === 0 || heard.length > 0) return fitOfTables(survey, heard.length > 0 ? heard : tables);
  return {
    fit: 'nearly',
    reason: `${sounds.length} recordings (${sounds[0]?.extension ?? ''}) without a table (CSV, JSON lines, Parquet) that names them`,
  };
};
