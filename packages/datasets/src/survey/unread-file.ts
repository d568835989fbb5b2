/** Files that no reader knows, by how they begin: what they are, and what makes them ones that are read. */
import { excerpt } from '@polygate/core';
import { isImageName } from '../files/paths.ts';
import { captionColumns, imageColumns, labelColumns } from '../tables/column-names.ts';
import type { PathSurvey, SurveyedFile } from './path-survey.ts';

/** A format that is not read. */
interface UnreadFormat {
  readonly what: string;
  readonly remedy: string;
  /** @param head the first bytes @param text the same as text, where it may be one */
  is(head: Uint8Array, text: string, file: SurveyedFile): boolean;
}

const begins = (head: Uint8Array, ...bytes: readonly number[]): boolean =>
  bytes.every((byte, index) => head[index] === byte);
const ascii = (text: string): readonly number[] => [...text].map((sign) => sign.charCodeAt(0));

const unpack = (program: string) => `unpack it (${program})`;

/** The surest first. */
const formats: readonly UnreadFormat[] = [
  {
    what: 'text in UTF-16',
    remedy: 'save it as UTF-8 (iconv -f UTF-16 -t UTF-8)',
    is: (head) => begins(head, 0xff, 0xfe) || begins(head, 0xfe, 0xff),
  },
  {
    what: 'a workbook of Excel',
    remedy: 'save the sheet as CSV UTF-8 (pandas: read_excel(...).to_csv(..., index=False))',
    is: (head, _, { extension }) =>
      /^\.(?:xlsx|xlsm|xls|ods)$/u.test(extension) && (begins(head, 0x50, 0x4b) || begins(head, 0xd0, 0xcf)),
  },
  { what: 'compressed by bzip2', remedy: unpack('bunzip2'), is: (head) => begins(head, ...ascii('BZh')) },
  {
    what: 'compressed by xz',
    remedy: unpack('unxz'),
    is: (head) => begins(head, 0xfd, ...ascii('7zXZ')),
  },
  {
    what: 'compressed by Zstandard',
    remedy: unpack('unzstd'),
    is: (head) => begins(head, 0x28, 0xb5, 0x2f, 0xfd),
  },
  {
    what: 'an archive of 7-Zip',
    remedy: unpack('7z x'),
    is: (head) => begins(head, ...ascii('7z'), 0xbc, 0xaf),
  },
  { what: 'a RAR archive', remedy: unpack('unrar x'), is: (head) => begins(head, ...ascii('Rar!')) },
  {
    what: 'a zip archive',
    remedy: unpack('unzip'),
    is: (head, _, { extension }) => begins(head, 0x50, 0x4b, 0x03, 0x04) && extension !== '.npz',
  },
  {
    what: 'a database of SQLite',
    remedy: 'write its table as CSV (sqlite3 -header -csv)',
    is: (head) => begins(head, ...ascii('SQLite format 3')),
  },
  {
    what: 'a pickle of Python, which can run any program when it is loaded',
    remedy: 'save arrays by numpy.savez, tables by to_parquet',
    is: (head, _, { extension }) =>
      (head[0] === 0x80 && (head[1] ?? 0) >= 2 && (head[1] ?? 9) <= 5) ||
      /^\.(?:pkl|pickle)$/u.test(extension),
  },
  {
    what: 'XML',
    remedy: 'export CSV, COCO or a folder for each class instead',
    is: (_, text, { extension }) =>
      extension !== '.svg' && (/^\s*<\?xml\b/u.test(text) || (extension === '.xml' && /^\s*</u.test(text))),
  },
  {
    what: 'a JSON list, not one object a line',
    remedy: 'write each object on a line of its own: jq -c \'.[]\' (pandas: orient="records", lines=True)',
    is: (_, text) => /^\s*\[\s*\{/u.test(text),
  },
  {
    what: 'one JSON object over the whole file, of no layout that is read',
    remedy:
      'write an object a line (pandas: orient="records", lines=True), or COCO\'s "images" and "annotations"',
    is: (_, text, { extension }) => /^\s*\{/u.test(text) && extension === '.json',
  },
  {
    what: 'text in another encoding than UTF-8',
    remedy: 'iconv -f WINDOWS-1252 -t UTF-8 converts that of Windows',
    is: (head, _, { extension }) => {
      if (!/^\.(?:csv|tsv|tab|txt|jsonl|ndjson)$/u.test(extension) || head.includes(0)) return false;
      try {
        new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
        return false;
      } catch {
        return true;
      }
    },
  },
];

/** A file that is not read. */
export interface UnreadFile {
  /** Its path below the surveyed folder. */
  readonly id: string;
  /** What it is and how it becomes one that is read, without full stop. */
  readonly reason: string;
}

/** Tables whose columns have types. */
const typedTable = /\.(?:parquet|pq)$/iu;
const usualNames: readonly string[] = [...imageColumns, ...captionColumns, ...labelColumns];
const tableName = /\.(?:csv|tsv|tab|parquet|pq|jsonl|ndjson)$/iu;

/** Why a table is not read: it is none, or its columns are called otherwise. */
const unreadTable = async (survey: PathSurvey, { id }: SurveyedFile): Promise<string> => {
  const table = await survey.table(id);
  if (table && table.rows.length > 0) {
    const columns = excerpt(table.header.slice(0, 8), 160);
    if (typedTable.test(id) && table.header.some((name) => usualNames.includes(name.toLowerCase())))
      return `${id} has the columns ${columns}, whose types are not those of what they are called`;
    return `${id} has the columns ${columns}, which none of the usual names fit: call those of images image, of captions caption, of labels label, of texts text`;
  }
  const lines = (await survey.lines(id)) ?? [];
  if (lines.length === 1) return `${id} has one line: a header, and no row below it`;
  return `${id} is no table of text whose lines have as many cells as the first, the header: take away what stands above it, and zero bytes; put cells that hold delimiters or quotes into quotes, with "" for a quote`;
};

/** Files that are looked at. */
const MAX_LOOKED = 40;
/** Bytes of a file that are looked at as text. */
const TEXT_BYTES = 4096;

/**
 * What the first file is, other than an image, whose format is not read, and how it becomes one that is.
 * @returns undefined where no file is of a known kind
 */
export const unreadFile = async (survey: PathSurvey): Promise<UnreadFile | undefined> => {
  for (const file of survey.files.filter(({ name }) => !isImageName(name)).slice(0, MAX_LOOKED)) {
    const head = await survey.head(file.id);
    const text = new TextDecoder().decode(head.subarray(0, TEXT_BYTES));
    const format = formats.find(({ is }) => is(head, text, file));
    if (format) return { id: file.id, reason: `${file.id} is ${format.what}: ${format.remedy}` };
    const reason = tableName.test(file.name) ? await unreadTable(survey, file) : undefined;
    if (reason !== undefined) return { id: file.id, reason };
  }
  return undefined;
};
