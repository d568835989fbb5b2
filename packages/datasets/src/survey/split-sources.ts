/** Several files of one layout as the sources of one dataset: their names say the splits. */
import { splitOfFile } from '../splits/split-names.ts';

/** A file that fits, with the settings that read it. */
export interface FittingFile {
  readonly id: string;
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/**
 * The sources of files that fit: one as it is; several where each name says another split.
 * @returns the names that say no split, or the same, where they can't be told apart
 */
export const splitSources = (
  files: readonly FittingFile[],
): readonly Readonly<Record<string, unknown>>[] | { readonly unclear: readonly string[] } => {
  if (files.length < 2) return files.map(({ settings }) => settings);
  const splits = files.map(({ name }) => splitOfFile(name));
  if (splits.includes(undefined) || new Set(splits).size < files.length)
    return { unclear: files.map(({ id }) => id) };
  return files.map(({ settings }, index) => ({ ...settings, split: splits[index] ?? '' }));
};

/** Names in a reason, the first of many. */
export const someOf = (names: readonly string[], most = 4): string =>
  names.slice(0, most).join(', ') + (names.length > most ? ', ...' : '');
