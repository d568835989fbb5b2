/** Whether the shards of a split are those that suite.json was written with: folders can be exchanged or made anew. */
import { FormatError } from '@polygate/core';
import { sha256File } from '@polygate/core/node';
import { manifestPath, type ShardSet } from '@polygate/stream';
import { basename } from 'node:path';
import { SUITE_FILE, type Suite, type SuiteDataset } from './suite.ts';

/**
 * Compares the manifest of an opened split with the digest that suite.json lists, and its rows with the number there.
 * Suites of older versions list no files; their rows are all that can be compared.
 * @throws FormatError (code `split-differs`) naming suite, dataset and split
 */
export const requireOwnSplit = async (
  suite: Suite,
  { name, splits }: SuiteDataset,
  { split, shards }: { readonly split: string; readonly shards: ShardSet },
): Promise<void> => {
  const refuse = (expected: string, got: string): FormatError =>
    new FormatError(
      `suite ${suite.name}: expected ${shards.directory} to hold ${expected}, as ${SUITE_FILE} says of ${name}/${split}, got ${got}; the folder was exchanged or made anew: put its own back, or run prepare again`,
      { code: 'split-differs', fields: { directory: shards.directory, dataset: name, split } },
    );
  const rows = new Map(Object.entries(splits)).get(split)?.rows;
  if (rows !== undefined && shards.rowCount !== rows) throw refuse(`${rows} rows`, String(shards.rowCount));
  if (!suite.files) return;
  const path = await manifestPath(shards.directory);
  const file = basename(path);
  const listed = new Map(Object.entries(suite.files)).get(`${name}/${split}/${file}`)?.sha256 ?? 'none';
  const digest = await sha256File(path);
  if (digest !== listed) throw refuse(`a ${file} of SHA-256 ${listed}`, digest);
};
