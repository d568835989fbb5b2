/** A prepared suite, open for reading: suite.json, its tokenizer, and the shards of its splits. */
import {
  kindNamed,
  readSuite,
  requireOwnSplit,
  splitFolder,
  suiteDataset,
  type Suite,
  type SuiteDataset,
} from '@polygate/datasets';
import { openShards, requireTokenizer, type ShardSet } from '@polygate/stream';
import { loadTokenizer, type Tokenizer } from '@polygate/tokens';
import { join } from 'node:path';
import { TOKENIZER_FILE } from './models/model-folder.ts';

/** Owns the shards that it opened. */
export interface OpenSuite extends AsyncDisposable {
  readonly folder: string;
  readonly suite: Suite;
  readonly tokenizer: Tokenizer;
  /**
   * Shards of a split, opened once. Their tokens must be this tokenizer's.
   * @throws ConfigError listing the known datasets or splits; StateError or FormatError for damaged data, and for shards
   * that are not those which suite.json was written with
   */
  shards(dataset: string, split: string): Promise<ShardSet>;
  close(): Promise<void>;
}

/** A dataset in messages: name, kind and rows by split. */
export const datasetText = ({ name, kind, splits }: SuiteDataset): string => {
  const rows = Object.entries(splits).map(([split, content]) => `${split} ${content.rows}`);
  return `${name} (${kind}: ${rows.join(', ') || 'no split'})`;
};

/**
 * Opens a prepared folder.
 * @throws ConfigError where there is no suite, StateError when its tokenizer.json is not the one it was prepared with
 */
export const openSuite = async (folder: string): Promise<OpenSuite> => {
  const suite = await readSuite(folder);
  const tokenizer = loadTokenizer(join(folder, TOKENIZER_FILE), { expectedHash: suite.tokenizerHash });
  const opened = new Map<string, Promise<ShardSet>>();
  const openOwn = async (entry: SuiteDataset, split: string): Promise<ShardSet> => {
    const shards = await openShards(splitFolder(folder, entry, split));
    try {
      await requireOwnSplit(suite, entry, { split, shards });
      return shards;
    } catch (cause) {
      await shards.close();
      throw cause;
    }
  };
  const close = async (): Promise<void> => {
    const sets = await Promise.allSettled(opened.values());
    opened.clear();
    for (const set of sets) if (set.status === 'fulfilled') await set.value.close();
  };
  return {
    folder,
    suite,
    tokenizer,
    async shards(dataset, split) {
      const entry = suiteDataset(suite, dataset);
      const path = splitFolder(folder, entry, split);
      const opening = opened.get(path) ?? openOwn(entry, split);
      opened.set(path, opening);
      const set = await opening;
      if (kindNamed(entry.kind).needsTokenizer) requireTokenizer(set.schema, tokenizer.hash);
      return set;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
};
