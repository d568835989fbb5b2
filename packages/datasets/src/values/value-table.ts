/** Tables whose cells are values: one or several files of the same columns, such as the shards of a dataset. */
import type { Feature } from './features.ts';
import type { ValueColumn, ValueRows } from './value-type.ts';

/** One file of a table. */
export interface ValuePart {
  /** Name in ids: its path below the folder that was given, with `/`. */
  readonly id: string;
  /** What ids of images begin with, where names of images are ids. @default nothing */
  readonly idPrefix?: string;
  /** Split that its name or folder says. */
  readonly split?: string;
  /** Folder that names of images count from. */
  readonly folder: string;
  readonly columns: readonly ValueColumn[];
  readonly features: ReadonlyMap<string, Feature>;
  /** All rows, of the named columns, a stretch at a time. @throws FormatError for a damaged file */
  groups(columns: readonly string[]): AsyncGenerator<ValueRows>;
}

/** A table in one or several files. */
export interface ValueTable {
  /** Stands in errors: `Parquet photos`. */
  readonly name: string;
  readonly parts: readonly ValuePart[];
}
