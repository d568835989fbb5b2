/** The first rows of a file as a table of text, whatever its delimiter is. */
import { readDelimited } from '../tables/delimited.ts';
import { jsonCells } from '../tables/json-records.ts';
import type { JsonFields } from '../samples/json-captions.ts';
import { usualQuotes, type Quotes } from '../tables/table-quotes.ts';
import { delimiterLine } from '../tables/table-rows.ts';
import type { SurveyedTable } from './path-survey.ts';

/** The surest first: commas and semicolons stand in texts, too. */
const delimiters = ['\t', '|', ';', ','] as const;
/** Rows that are looked at. */
const MAX_ROWS = 40;
/** Share of the rows that have as many cells as the first one. */
const MIN_SHARE = 0.9;

interface Records {
  readonly rows: readonly (readonly string[])[];
  /** Records that the rule of quotes does not let be read. */
  readonly broken: number;
  /** Whether a cell stands in quotes that it needs: it holds others, a delimiter or a line end. */
  readonly needed: boolean;
  /** Whether one of these holds quotes. */
  readonly doubled: boolean;
}

const firstRecords = async (file: string, delimiter: string, quotes: Quotes): Promise<Records> => {
  const rows: string[][] = [];
  let [broken, needed, doubled] = [0, false, false];
  for await (const item of readDelimited(file, { delimiter, quoting: quotes === 'csv' })) {
    if (item.kind === 'bad-record') {
      broken += 1;
      // Without the first record none of the others is a header.
      if (rows.length === 0) break;
    } else if (item.fields.some((field) => field.trim() !== '')) {
      const quoted = item.quoted.map((index) => item.fields[index] ?? '');
      doubled ||= quoted.some((text) => text.includes('"'));
      needed ||= doubled || quoted.some((text) => text.includes(delimiter) || text.includes('\n'));
      rows.push(item.fields.map((field) => field.trim()));
    }
    if (rows.length + broken > MAX_ROWS) break;
  }
  return { rows, broken, needed, doubled };
};

const evenShare = ([header = [], ...rows]: readonly (readonly string[])[]): number =>
  rows.filter((row) => row.length === header.length).length / Math.max(1, rows.length);

/** The records as the rule of quotes reads them that they follow: the usual one of the delimiter, or the other for good reasons. */
const recordsOf = async (
  file: string,
  delimiter: string,
): Promise<{ readonly rows: Records['rows']; readonly quotes?: Quotes }> => {
  const usual = await firstRecords(file, delimiter, usualQuotes(delimiter));
  if (usualQuotes(delimiter) === 'csv') return usual;
  const csv = await firstRecords(file, delimiter, 'csv');
  const sure = csv.broken === 0 && csv.needed && evenShare(csv.rows) === 1;
  return sure && (csv.doubled || evenShare(usual.rows) < 1) ? { rows: csv.rows, quotes: 'csv' } : usual;
};

/** @returns undefined for a file whose rows do not have the same cells, or only one. @throws FormatError for other encodings */
export const surveyTable = async (file: string): Promise<SurveyedTable | undefined> => {
  const said = await delimiterLine(file);
  for (const delimiter of said === undefined ? delimiters : [said]) {
    const { rows: all, quotes } = await recordsOf(file, delimiter);
    const [header, ...rows] = all.slice(said === undefined ? 0 : 1);
    if (!header || header.length < 2 || rows.length === 0) continue;
    const fitting = rows.filter((row) => row.length === header.length);
    if (fitting.length >= rows.length * MIN_SHARE)
      return { delimiter, header, rows: fitting, ...(quotes ? { quotes } : {}) };
  }
  return undefined;
};

/** Objects as rows; their columns are the fields of all. */
export const objectRows = (objects: readonly JsonFields[]): SurveyedTable => {
  const header = [...new Set(objects.flatMap((fields) => Object.keys(fields)))];
  return { header, rows: objects.map((fields) => jsonCells(fields, header)) };
};
