/** Rows of a table, brought to the columns of its header: what programs for tables leave at the ends of rows is no cell. */
import { excerpt, FormatError } from '@polygate/core';
import type { RecordItem } from './delimited.ts';
import { readLines } from './lines.ts';

const isBlank = (cell: string): boolean => cell.trim() === '';

/** Excel's first line that says the delimiter, as in `sep=;`. Undefined where the file begins otherwise. */
export const delimiterLine = async (file: string): Promise<string | undefined> => {
  for await (const line of readLines(file)) {
    return line.kind === 'line' ? /^"?sep=([^"\r\n])"?$/iu.exec(line.text.trimEnd())?.[1] : undefined;
  }
  return undefined;
};

export interface RowLayout {
  readonly columns: readonly string[];
  readonly delimiter: string;
  /** Whether quotes group cells. */
  readonly quoting: boolean;
}

/**
 * A record with one cell for each column. Blank cells behind the last column are dropped (rows that end in a delimiter),
 * those that stand under columns without name are added; undefined for a row of blank cells alone, as Excel writes
 * those below a table. Other numbers of cells are a bad record.
 */
export const fitRow = (item: RecordItem, layout: RowLayout): RecordItem | undefined => {
  if (item.kind === 'bad-record') return item;
  const { columns, delimiter, quoting } = layout;
  const { fields, line } = item;
  if (fields.every(isBlank)) return undefined;
  if (fields.length === columns.length) return item;
  if (fields.length > columns.length && fields.slice(columns.length).every(isBlank))
    return { ...item, fields: fields.slice(0, columns.length) };
  if (fields.length < columns.length && columns.slice(fields.length).every(isBlank))
    return { ...item, fields: columns.map((_, index) => fields[index] ?? '') };
  const remedy =
    fields.length < columns.length
      ? ''
      : quoting
        ? `; quote cells that hold ${excerpt(delimiter)}`
        : `; cells must not hold ${excerpt(delimiter)}, unless they are quoted and quotes is "csv"`;
  const reason = `expected ${columns.length} fields, got ${fields.length}${remedy}`;
  return { kind: 'bad-record', line, code: 'field-count', reason };
};

/** Lines that are not UTF-8 from which on a file is taken for one of another encoding, and their share. */
const FOREIGN_LINES = 2;
const FOREIGN_SHARE = 1e-3;

/**
 * Refuses a file of another encoding with one byte a character, such as Windows-1252, as a whole: of a table in it, the
 * rows with letters beyond ASCII would be left out, which are no random ones. A file that is UTF-8 but for some lines,
 * and one with a damaged line here or there, passes.
 * @throws FormatError
 */
export const requireUtf8 = async (file: string): Promise<void> => {
  let lines = 0;
  let foreign = 0;
  for await (const line of readLines(file)) {
    lines += 1;
    // A character beyond ASCII that is read as UTF-8 says that the file is meant to be.
    if (line.kind === 'line' && /[^\u0000-\u007f]/u.test(line.text)) return;
    if (line.kind === 'bad-line' && line.code === 'invalid-utf8') foreign += 1;
  }
  if (foreign < Math.max(FOREIGN_LINES, lines * FOREIGN_SHARE)) return;
  throw new FormatError(
    `${file}: expected UTF-8 text, got ${foreign} of ${lines} lines in another encoding, such as that of Windows; save it as UTF-8 (Excel: "CSV UTF-8"; iconv -f WINDOWS-1252 -t UTF-8)`,
    { code: 'encoding', fields: { file } },
  );
};
