/**
 * Whether a finished suite is what its suite.json vouches for. By default sizes, hashes of the small files, and headers
 * and footers of shards are checked, which takes milliseconds; `deep` reads every byte.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PolygateError } from '@polygate/core';
import { sha256File, type FileDigest } from '@polygate/core/node';
import { splitFolder, SUITE_FILE, walkFolder, type Suite } from '@polygate/datasets';
import { openShards } from '@polygate/stream';
import { loadTokenizer } from '@polygate/tokens';

/** Size and hash of each file below a folder but shards, by path with `/`. */
export const digestFiles = async (directory: string): Promise<Record<string, FileDigest>> => {
  const files: Record<string, FileDigest> = {};
  for await (const { id, path } of walkFolder(directory)) {
    if (id.endsWith('.arrow')) continue;
    files[id] = { bytes: (await stat(path)).size, sha256: await sha256File(path) };
  }
  return files;
};

/** The first file whose size or hash differs from the list of the suite. */
const differingFile = async (directory: string, suite: Suite): Promise<string | undefined> => {
  for (const [name, expected] of Object.entries(suite.files ?? {})) {
    if (!Number.isSafeInteger(expected?.bytes))
      return `${name}: expected its bytes and sha256 in ${SUITE_FILE}`;
    const path = join(directory, name);
    const stats = await stat(path).catch(() => undefined);
    if (!stats?.isFile()) return `${name}: expected a file of ${expected.bytes} bytes, got none`;
    if (stats.size !== expected.bytes) return `${name}: expected ${expected.bytes} bytes, got ${stats.size}`;
    if ((await sha256File(path)) !== expected.sha256) return `${name}: expected another content`;
  }
  return undefined;
};

/** @throws PolygateError for what is missing or damaged */
const openAll = async (directory: string, suite: Suite, deep: boolean): Promise<string | undefined> => {
  // A suite of an older version has no list of files.
  if (!suite.files) loadTokenizer(join(directory, 'tokenizer.json'), { expectedHash: suite.tokenizerHash });
  for (const dataset of suite.datasets) {
    for (const [split, { rows }] of Object.entries(dataset.splits)) {
      const shards = await openShards(splitFolder(directory, dataset, split), { verify: deep });
      await shards.close();
      if (shards.rowCount !== rows) {
        return `${dataset.name}/${split}: expected ${rows} rows, got ${shards.rowCount}`;
      }
    }
  }
  return undefined;
};

/**
 * What is wrong with a finished suite.
 * @param deep whether every byte is read
 * @returns undefined for one that is whole
 */
export const suiteDamage = async (
  directory: string,
  suite: Suite,
  deep: boolean,
): Promise<string | undefined> => {
  try {
    return (await differingFile(directory, suite)) ?? (await openAll(directory, suite, deep));
  } catch (cause) {
    if (cause instanceof PolygateError) return cause.message;
    throw cause;
  }
};
