/** Splits that the names of the files of a dataset say, as Hugging Face's hub and other tools write them. */
import { canonicalSplit, orderSplits, splitInName, splitOfFile } from './split-names.ts';

/** Splits of files, in their order. */
export interface FileSplits {
  /** Of each file; all undefined where not every one names one. */
  readonly splits: readonly (string | undefined)[];
  readonly notes: readonly string[];
}

/**
 * The split of a file, by its path with `/`: `train-00000-of-00002.parquet` as `push_to_hub` writes it, else a folder that
 * is named after one, else a word in its name.
 */
const splitOf = (id: string): string | undefined => {
  const parts = id.split('/');
  const name = parts.pop() ?? '';
  const shard = /^(.+)-\d{5}-of-\d{5}(?:-[0-9a-f]+)?\.\w+$/u.exec(name)?.[1];
  if (shard !== undefined) return canonicalSplit(shard);
  return (
    parts
      .toReversed()
      .map(splitInName)
      .find((split) => split !== undefined) ?? splitOfFile(name)
  );
};

/** @param ids paths with `/` below the folder of all files */
export const splitsOfFiles = (ids: readonly string[]): FileSplits => {
  const splits = ids.map(splitOf);
  const named = orderSplits(splits.filter((split) => split !== undefined));
  const without = ids.filter((_, index) => splits[index] === undefined);
  if (without.length === 0 || named.length === 0) return { splits, notes: [] };
  return {
    splits: ids.map(() => undefined),
    notes: [
      `the splits ${named.join(', ')} in names of files are not followed, since ${without.length} of ${ids.length} files name none, ${without[0] ?? ''} among them`,
    ],
  };
};
