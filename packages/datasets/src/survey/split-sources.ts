/** Several files of one layout as the sources of one dataset: their names say the splits. */
import type { ReaderFit } from '../readers/dataset-reader.ts';
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

/** What fitted of the files that were looked at. */
export interface LayoutFit {
  readonly fitting: readonly (FittingFile & { readonly reason: string })[];
  /** Why the first that does not fit doesn't, where it nearly does. */
  readonly nearly: string | undefined;
  /** What the files are, in the plural: `tables`. */
  readonly what: string;
  readonly fit: 'published' | 'sure' | 'likely';
}

/** How files of one layout are read together; undefined where there are none. */
export const layoutFit = ({ fitting, nearly, what, fit }: LayoutFit): ReaderFit | undefined => {
  const [first] = fitting;
  if (!first) return nearly === undefined ? undefined : { fit: 'nearly', reason: nearly };
  const sources = splitSources(fitting);
  if ('unclear' in sources) {
    return {
      fit: 'nearly',
      reason: `${sources.unclear.length} ${what} fit (${someOf(sources.unclear)}) and their names do not say their splits: give the path of one of them`,
    };
  }
  return { fit, reason: first.reason, sources };
};

/** Names in a reason, the first of many. */
export const someOf = (names: readonly string[], most = 4): string =>
  names.slice(0, most).join(', ') + (names.length > most ? ', ...' : '');
