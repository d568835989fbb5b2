/**
 * The state of a file or folder as one hash, without reading any content: size and time of each file. An image that is
 * changed in place shows, at any depth; so do files that come, go or are renamed.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { extname, relative, sep, isAbsolute } from 'node:path';
import { isImageName, walkFolder } from '@polygate/datasets';

/** Files that are looked at one by one, for a folder; of more, the names count. */
const MAX_STAMPED_FILES = 1_000_000;
/** Files that are asked for at once. */
const CONCURRENCY = 64;

/** Settings of {@link stampOf}. */
export interface StampOptions {
  /** `images`: files that look like one, in a folder that may hold other things, too. */
  readonly of: 'all' | 'images';
  /** A folder below it that is no part of it. */
  readonly without: string;
}

const isBelow = (folder: string, path: string): boolean => {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
};

const stampFile = async (path: string): Promise<string> => {
  const stats = await stat(path).catch(() => undefined);
  return stats ? `${stats.size} ${stats.mtimeMs}` : 'missing';
};

/** SHA-256, hex, over path, size and time of a file, or of those of a folder. */
export const stampOf = async (path: string, { of, without }: StampOptions): Promise<string> => {
  const hash = createHash('sha256').update(path);
  const stats = await stat(path).catch(() => undefined);
  if (!stats?.isDirectory()) return hash.update(` ${await stampFile(path)}`).digest('hex');
  let waiting: { readonly id: string; readonly path: string }[] = [];
  let stamped = 0;
  const flush = async (): Promise<void> => {
    const now = waiting;
    waiting = [];
    const stamps =
      stamped > MAX_STAMPED_FILES ? [] : await Promise.all(now.map((file) => stampFile(file.path)));
    stamped += now.length;
    now.forEach(({ id }, i) => hash.update(`\0${id}\0${stamps[i] ?? ''}`));
  };
  try {
    // Links are the reader's to judge; here they are followed as far as they go.
    for await (const file of walkFolder(path, { links: 'follow' })) {
      const counts = of === 'all' || isImageName(file.name) || extname(file.name) === '';
      if (!counts || isBelow(without, file.path)) continue;
      waiting.push(file);
      if (waiting.length === CONCURRENCY) await flush();
    }
  } catch (cause) {
    // A folder that can't be listed is the reader's to report.
    hash.update(`\0${(cause as NodeJS.ErrnoException).code ?? String(cause)}`);
  }
  await flush();
  return hash.digest('hex');
};
