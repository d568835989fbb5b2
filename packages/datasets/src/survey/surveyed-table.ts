/** The first rows of a file as a table of text, whatever its delimiter is. */
import { readDelimited } from '../tables/delimited.ts';
import { delimiterLine } from '../tables/table-rows.ts';
import type { SurveyedTable } from './path-survey.ts';

/** The surest first: commas and semicolons stand in texts, too. */
const delimiters = ['\t', '|', ';', ','] as const;
/** Rows that are looked at. */
const MAX_ROWS = 40;
/** Share of the rows that have as many cells as the first one. */
const MIN_SHARE = 0.9;

const firstRecords = async (file: string, delimiter: string): Promise<string[][]> => {
  const quoting = delimiter === ',' || delimiter === ';';
  const records: string[][] = [];
  for await (const item of readDelimited(file, { delimiter, quoting })) {
    if (item.kind === 'record' && item.fields.some((field) => field.trim() !== ''))
      records.push(item.fields.map((field) => field.trim()));
    if (records.length > MAX_ROWS) break;
  }
  return records;
};

/** @returns undefined for a file whose rows do not have the same cells, or only one. @throws FormatError for other encodings */
export const surveyTable = async (file: string): Promise<SurveyedTable | undefined> => {
  const said = await delimiterLine(file);
  for (const delimiter of said === undefined ? delimiters : [said]) {
    const [header, ...rows] = (await firstRecords(file, delimiter)).slice(said === undefined ? 0 : 1);
    if (!header || header.length < 2 || rows.length === 0) continue;
    const fitting = rows.filter((row) => row.length === header.length);
    if (fitting.length >= rows.length * MIN_SHARE) return { delimiter, header, rows: fitting };
  }
  return undefined;
};
