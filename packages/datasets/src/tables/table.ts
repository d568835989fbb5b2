/** Delimited tables as readers see them: delimiter and quotes found or set, columns by name or index, rows. */
import { ConfigError, excerpt } from '@polygate/core';
import { readDelimited, type RecordItem } from './delimited.ts';
import { isImageName } from '../files/paths.ts';
import { isJsonLinesName, openJsonRecords } from './json-records.ts';
import { isParquetFile, openParquetRecords } from './parquet-records.ts';
import { delimiterLine, fitRow, requireUtf8 } from './table-rows.ts';
import { decideQuotes, usualQuotes, type Quotes } from './table-quotes.ts';

const delimiters = ['|', '\t', ';', ','];
/** Records that decide the delimiter of a table without column names. */
const SAMPLED_RECORDS = 50;

/** Settings that all tables share. */
export interface TableOptions {
  /** @default the first of `|`, tab, `;` and `,` by which the columns are there */
  readonly delimiter?: string;
  /**
   * `csv`: quotes group cells (RFC 4180); `none`: they belong to the text.
   * @default csv with commas and semicolons, none with others; refused where the file looks otherwise
   */
  readonly quotes?: Quotes;
  /** Whether the first line names the columns; without it columns are given by index. @default true */
  readonly header?: boolean;
}

interface OpenTableOptions extends TableOptions {
  /** Delimiter that is tried first. */
  readonly usual?: string;
}

/** A column that a reader wants. */
export interface WantedColumn {
  /** The word for what it holds. */
  readonly role: string;
  /** The setting that names it. */
  readonly option: string;
  /** What the setting says: a name, or an index from 0. */
  readonly given: string | number | undefined;
  /** Names that are looked for without a setting. */
  readonly usual?: readonly string[];
  /** Place in a table without column names; negative from the end. */
  readonly position?: number;
}

export interface Table {
  /** Names of the columns; their indices where there is no header line. */
  readonly columns: readonly string[];
  readonly header: boolean;
  /** Index of a column. @throws ConfigError listing the columns, or saying that a name is there twice */
  column(wanted: WantedColumn): number;
  /** The rows below the header line, each with one cell for each column, or a bad record. */
  rows(): AsyncGenerator<RecordItem>;
  /** A table of other columns and rows, whose look-ups name the same file. */
  with(parts: Pick<Table, 'columns' | 'rows'>): Table;
}

const firstRecords = async (file: string, delimiter: string, most: number): Promise<string[][]> => {
  const quoting = usualQuotes(delimiter) === 'csv';
  const out: string[][] = [];
  for await (const item of readDelimited(file, { delimiter, quoting })) {
    if (item.kind === 'record') out.push(item.fields.map((field) => field.trim()));
    if (out.length >= most) break;
  }
  return out;
};

/** Ways to compare names of columns: as they stand, without letter case, and without what parts their words. */
const spellings: readonly ((name: string) => string)[] = [
  (name) => name,
  (name) => name.toLowerCase(),
  (name) => name.toLowerCase().replace(/[\s_-]+/gu, ''),
];

/** Index of a wanted column, the places of a name that is there twice, or nothing. */
const lookUp = (
  columns: readonly string[],
  wanted: WantedColumn,
  header: boolean,
): number | readonly number[] | undefined => {
  const { given, usual = [], position } = wanted;
  if (!header && given === undefined && position !== undefined) {
    return position < 0 ? columns.length + position : position;
  }
  const names = given === undefined ? (header ? usual : []) : [String(given)];
  for (const same of spellings) {
    for (const name of names) {
      const places = columns.flatMap((column, index) => (same(column) === same(name) ? [index] : []));
      if (places.length > 0) return places.length === 1 ? places[0] : places;
    }
  }
  return typeof given === 'number' && given < columns.length ? given : undefined;
};

const findDelimiter = async (
  file: string,
  options: OpenTableOptions,
  wanted: readonly WantedColumn[],
): Promise<string> => {
  const header = options.header ?? true;
  const { usual } = options;
  let best = { delimiter: usual ?? ',', count: 0 };
  for (const delimiter of usual === undefined ? delimiters : [usual, ...delimiters]) {
    const records = await firstRecords(file, delimiter, header ? 1 : SAMPLED_RECORDS);
    const [first = []] = records;
    const fits = header
      ? wanted.every((column) => lookUp(first, column, header) !== undefined)
      : first.length > 1 &&
        wanted.every((column) => lookUp(first, column, header) !== undefined) &&
        // Where rows lack cells, the usual delimiter is still the likeliest.
        (delimiter === usual || records.every((record) => record.length === first.length));
    if (fits && (!header || first.length >= 2 || wanted.length < 2)) return delimiter;
    if (first.length > best.count) best = { delimiter, count: first.length };
  }
  return best.delimiter;
};

const list = (columns: readonly string[]): string =>
  columns
    .slice(0, 20)
    .map((column) => excerpt(column, 40))
    .join(', ');

/** Whether a line of names looks like a row: one of them is an image's, as `a.png` or Flickr's `a.jpg#0`. */
const looksLikeRow = (columns: readonly string[]): boolean =>
  columns.some((column) => isImageName(column.replace(/#\d+$/u, '')));

const missing = (
  file: string,
  columns: readonly string[],
  options: { readonly wanted: WantedColumn; readonly header: boolean },
): ConfigError => {
  const { wanted, header } = options;
  const { role, option, given, usual = [] } = wanted;
  const names = (given === undefined ? usual.slice(0, 8) : [given]).map((name) => excerpt(name));
  const got = header
    ? `the columns ${list(columns)}`
    : `${columns.length} columns without names, counted from 0`;
  const remedy =
    header && looksLikeRow(columns)
      ? `this looks like a row: if the file has no header line, set header to false and ${option} to an index from 0`
      : `set ${option} to one of these`;
  return new ConfigError(
    `table ${file}: expected the ${role} column to be named ${names.join(' or ')}, got ${got}; ${remedy}`,
    { code: 'table-column', fields: { file, columns, wanted: given ?? usual } },
  );
};

/** A table of columns and rows, with the look-up of columns. */
const tableOf = (file: string, parts: Omit<Table, 'column' | 'with'>): Table => ({
  ...parts,
  with: (others) => tableOf(file, { ...parts, ...others }),
  column(query) {
    const { columns, header } = parts;
    const match = lookUp(columns, query, header);
    if (typeof match === 'number' && match >= 0 && match < columns.length) return match;
    if (typeof match !== 'object') throw missing(file, columns, { wanted: query, header });
    throw new ConfigError(
      `table ${file}: expected one ${query.role} column, got ${match.length} named "${columns[match[0] ?? 0] ?? ''}" (indices ${match.join(', ')}); rename one of them or set ${query.option} to another`,
      { code: 'table-column-twice', fields: { file, columns } },
    );
  },
});

/**
 * Opens a table of text, a file of JSON lines (by its name), or a Parquet file. `wanted` are the columns by which its delimiter is recognised.
 * @throws ConfigError for an empty table and one whose quotes are doubtful, FormatError for another encoding
 */
export const openTable = async (
  file: string,
  options: OpenTableOptions,
  wanted: readonly WantedColumn[],
): Promise<Table> => {
  const header = options.header ?? true;
  if (await isParquetFile(file)) {
    const { columns, records } = await openParquetRecords(file);
    return tableOf(file, { columns, header: true, rows: records });
  }
  await requireUtf8(file);
  if (isJsonLinesName(file)) {
    const { columns, records } = await openJsonRecords(file);
    return tableOf(file, { columns, header: true, rows: records });
  }
  const said = await delimiterLine(file);
  const delimiter = options.delimiter ?? said ?? (await findDelimiter(file, options, wanted));
  const quotes = await decideQuotes(file, delimiter, options.quotes);
  async function* records(): AsyncGenerator<RecordItem> {
    let skipped = said === undefined;
    for await (const item of readDelimited(file, { delimiter, quoting: quotes === 'csv' })) {
      if (skipped) yield item;
      skipped = true;
    }
  }
  let columns: readonly string[] | undefined;
  for await (const item of records()) {
    if (item.kind === 'bad-record' && header) {
      throw new ConfigError(`table ${file}: expected a header line, got a damaged one: ${item.reason}`, {
        code: 'table-header',
        fields: { file },
      });
    }
    if (item.kind === 'bad-record') continue;
    columns = item.fields.map((field, index) => (header ? field.trim() : String(index)));
    break;
  }
  if (!columns) {
    throw new ConfigError(
      `table ${file}: expected ${header ? 'a header line and ' : ''}rows, got an empty file; give the path of a table`,
      { code: 'table-empty', fields: { file } },
    );
  }
  const names = columns;
  return tableOf(file, {
    columns: names,
    header,
    async *rows() {
      let first = header;
      for await (const item of records()) {
        const row = fitRow(item, { columns: names, delimiter, quoting: quotes === 'csv' });
        if (first) first = false;
        else if (row) yield row;
      }
    },
  });
};
