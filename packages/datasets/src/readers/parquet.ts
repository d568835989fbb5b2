import { dirname } from 'node:path';
import { expandFiles } from '../files/file-patterns.ts';
import type { LinkOptions } from '../files/folder-listing.ts';
import { openParquetFile } from '../parquet/parquet-file.ts';
import { splitsOfFiles } from '../splits/file-splits.ts';
import { splitInName } from '../splits/split-names.ts';
import { featuresOfMetadata } from '../values/features.ts';
import { openValueTable, type ValueReader, type ValueReaderOptions } from '../values/value-reader.ts';
import type { ValuePart } from '../values/value-table.ts';

export interface ParquetOptions extends ValueReaderOptions, LinkOptions {
  /** Files, folders and patterns such as `data/train-*.parquet`. */
  readonly files: string | readonly string[];
  /** Whether names such as `train-00000-of-00002.parquet` or `train/0000.parquet` say the splits. @default true */
  readonly splitsByName?: boolean;
}

/** Files in several folders may be several datasets of one repository. */
const folderNotes = (ids: readonly string[]): string[] => {
  const folders = [...new Set(ids.map((id) => id.slice(0, Math.max(0, id.lastIndexOf('/')))))];
  const others = folders.filter((folder) => splitInName(folder.split('/').at(-1) ?? '') === undefined);
  return others.length > 1
    ? [
        `files of ${others.length} folders (${others.slice(0, 4).join(', ')}) are read as one dataset; give one folder if they are several`,
      ]
    : [];
};

/**
 * Reads Parquet files, as Hugging Face's hub has datasets: images as `{ bytes, path }`, as bytes or as names of files,
 * classes by the metadata `huggingface`, captions as texts or lists of them, labelled texts, texts. What is read is what
 * the columns hold, or what `kind` says. Row groups are read one by one.
 * @throws ConfigError for files and columns that are not there; FormatError for damaged files, also while reading
 */
export const openParquet = async (options: ParquetOptions): Promise<ValueReader> => {
  const found = await expandFiles(options.files, {
    ...options,
    what: 'Parquet',
    extensions: ['.parquet', '.pq'],
  });
  const ids = found.map(({ id }) => id);
  const byName = (options.splitsByName ?? true) ? splitsOfFiles(ids) : { splits: [], notes: [] };
  const parts: ValuePart[] = [];
  for (const [index, { path, id }] of found.entries()) {
    const file = await openParquetFile(path, options.budgets);
    const split = byName.splits[index];
    parts.push({
      id,
      ...(split === undefined ? {} : { split }),
      folder: dirname(path),
      columns: file.columns,
      features: featuresOfMetadata(file.metadata),
      groups: (columns) => file.groups(columns),
    });
  }
  const name = `Parquet ${typeof options.files === 'string' ? options.files : (ids[0] ?? '')}`;
  const opened = await openValueTable({ name, parts }, options);
  const notes = [...byName.notes, ...folderNotes(ids), ...(opened.reader.notes ?? [])];
  return { ...opened, reader: { ...opened.reader, ...(notes.length > 0 ? { notes } : {}) } };
};
