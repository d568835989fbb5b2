/** Files that appear whole, and are digested while they are written. */
import { createHash, randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { DigestedFile, FileDigest } from '../byte-source.ts';
import { writeError } from './files.ts';
import { makeFolder } from './folders.ts';

/** Bytes that are hashed and written at a time: the hash of one piece is made while the disk takes it. */
const PIECE_BYTES = 8 << 20;

/**
 * Writes a file that appears under its name only when `fill` has ended, and digests it meanwhile, so that it need not be
 * read again to be hashed.
 * @throws StateError for a failed write; what `fill` throws
 */
export const writeFileDigested = async (
  path: string,
  fill: (file: DigestedFile) => Promise<void>,
): Promise<FileDigest> => {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    await makeFolder(dirname(path));
    const handle = await open(temporary, 'w');
    const hash = createHash('sha256');
    let bytes = 0;
    try {
      await fill({
        async append(data) {
          for (let from = 0; from < data.length; from += PIECE_BYTES) {
            const piece = data.subarray(from, from + PIECE_BYTES);
            const written = handle.writeFile(piece);
            hash.update(piece);
            await written;
            bytes += piece.length;
          }
        },
      });
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    return { bytes, sha256: hash.digest('hex') };
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw typeof (cause as NodeJS.ErrnoException | null)?.errno === 'number'
      ? writeError(path, cause)
      : cause;
  }
};
