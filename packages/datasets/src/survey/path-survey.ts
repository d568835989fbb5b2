/** What lies at a path that a person points at, as far as readers look to tell whether they read it. */

import type { Quotes } from '../tables/table-quotes.ts';

/** A file, by its path with `/` below the surveyed folder. */
export interface SurveyedFile {
  readonly id: string;
  readonly name: string;
  /** With the dot, in lower case; empty where there is none. */
  readonly extension: string;
  /** Id of its folder; empty for the surveyed one. */
  readonly folder: string;
}

/** The first rows of a table. */
export interface SurveyedTable {
  /** Of a table of text. */
  readonly delimiter?: string;
  /** What quotes are, where that is not what tables of this delimiter do as a rule. */
  readonly quotes?: Quotes;
  /** The cells of the first line, which may be names of columns. */
  readonly header: readonly string[];
  /** Those after it. */
  readonly rows: readonly (readonly string[])[];
}

/** A bounded look at a file, or at a folder and what is below it. */
export interface PathSurvey {
  /** As it was given; settings of recipes are made of it. */
  readonly path: string;
  readonly kind: 'file' | 'folder';
  /** The file, or the files of the folder, at any depth: breadth first, by name. */
  readonly files: readonly SurveyedFile[];
  /** Files beside the file that was given; all of the folder's where a folder was. */
  readonly neighbours: readonly SurveyedFile[];
  /** Ids of the folders below the surveyed one. */
  readonly folders: readonly string[];
  /** Whether all files were listed; a large folder is listed in part. */
  readonly complete: boolean;
  /** The path of a file or folder as a recipe names it: the given path without id, the surveyed folder for an empty one. */
  at(id?: string): string;
  /** Files right in a folder. */
  filesIn(folder: string): readonly SurveyedFile[];
  /** Ids of the folders right in a folder. */
  foldersIn(folder: string): readonly string[];
  /** The first bytes of a file, 64 KiB at most. */
  head(id: string): Promise<Uint8Array>;
  /** Its first lines, where it is UTF-8 text. */
  lines(id: string): Promise<readonly string[] | undefined>;
  /**
   * Its first rows: of text whose lines fall into as many cells each by one of the usual signs, of JSON lines, and of Parquet
   * files, each by its name.
   */
  table(id: string): Promise<SurveyedTable | undefined>;
  /** The objects on its first lines, where each line is a JSON object. */
  jsonLines(id: string): Promise<readonly Readonly<Record<string, unknown>>[] | undefined>;
}
