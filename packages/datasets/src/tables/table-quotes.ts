/**
 * Whether quotes group the cells of a table or belong to its text. Formats differ and files don't say: CSV quotes, as
 * pandas does in tables with tabs, too; the tables of GLUE and of Flickr30k don't. A file that looks like the other
 * kind than its delimiter has as a rule is refused until a setting says which one it is.
 */
import { ConfigError, excerpt } from '@polygate/core';
import { readTextBytes } from '../archives/byte-source.ts';
import { readDelimited } from './delimited.ts';

/** `csv`: quotes group cells (RFC 4180). `none`: they are text. */
export type Quotes = 'csv' | 'none';

/** What tables of a delimiter do as a rule: those with commas or semicolons quote. */
export const usualQuotes = (delimiter: string): Quotes =>
  delimiter === ',' || delimiter === ';' ? 'csv' : 'none';

interface Place {
  readonly line: number;
  readonly text: string;
}

/** How a file reads under one of the two rules. */
interface Reading {
  /** Whether all records have as many cells as the first. */
  readonly even: boolean;
  /** First record whose quotes break the rule. */
  readonly broken?: Place;
  /** First cell that only needs its quotes because others stand in it. */
  readonly doubled?: Place;
  /** First quoted cell that holds a delimiter or a line end. */
  readonly grouped?: Place;
}

const hasQuotes = async (file: string): Promise<boolean> => {
  for await (const bytes of readTextBytes(file)) if (bytes.includes(0x22)) return true;
  return false;
};

const quoteFaults: ReadonlySet<string> = new Set(['text-after-quote', 'unclosed-quote', 'record-too-long']);

const readAs = async (file: string, delimiter: string, quotes: Quotes): Promise<Reading> => {
  let count: number | undefined;
  let even = true;
  let broken: Place | undefined;
  let doubled: Place | undefined;
  let grouped: Place | undefined;
  for await (const item of readDelimited(file, { delimiter, quoting: quotes === 'csv' })) {
    const { line } = item;
    if (item.kind === 'bad-record') {
      if (quoteFaults.has(item.code)) broken ??= { line, text: item.reason };
      continue;
    }
    count ??= item.fields.length;
    even &&= item.fields.length === count;
    for (const index of item.quoted) {
      const text = item.fields[index] ?? '';
      const spread = text.includes('\n') || text.includes(delimiter);
      if (spread) grouped ??= { line, text };
      else if (text.includes('"')) doubled ??= { line, text };
    }
  }
  return {
    even,
    ...(broken ? { broken } : {}),
    ...(doubled ? { doubled } : {}),
    ...(grouped ? { grouped } : {}),
  };
};

/**
 * The rule that a table follows: the given one, else the usual one of its delimiter.
 * @throws ConfigError naming the line where a file looks like the other one
 */
export const decideQuotes = async (
  file: string,
  delimiter: string,
  given: Quotes | undefined,
): Promise<Quotes> => {
  if (given) return given;
  const usual = usualQuotes(delimiter);
  if (!(await hasQuotes(file))) return usual;
  const csv = await readAs(file, delimiter, 'csv');
  const none = await readAs(file, delimiter, 'none');
  if (usual === 'none') {
    const sign = csv.doubled ?? (none.even ? undefined : csv.grouped);
    if (!sign || csv.broken || !csv.even) return 'none';
    throw new ConfigError(
      `table ${file}: expected cells without quotes, as tables with ${excerpt(delimiter)} have them, got cells quoted as CSV quotes them, first ${excerpt(sign.text)} in line ${sign.line}; set quotes to "csv", or to "none" if the quotes belong to the text`,
      { code: 'table-quotes', fields: { file, line: sign.line } },
    );
  }
  if (!csv.broken || !none.even) return 'csv';
  throw new ConfigError(
    `table ${file}: expected cells quoted as CSV quotes them, got quotes that belong to the text, first in ${csv.broken.text}; set quotes to "none", or to "csv" to leave such rows out`,
    { code: 'table-quotes', fields: { file, line: csv.broken.line } },
  );
};
