/** Tells one build of a package's code from another without reading it. */
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** SHA-256, as hex, of the names, sizes and times of the code files below a folder: cheap enough for every start. */
export const codeFingerprint = (folder: string): string => {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?[jt]s$/u.test(entry.name))
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const { size, mtimeMs } = statSync(path);
      return `${path} ${size} ${mtimeMs}`;
    });
  return createHash('sha256').update(files.sort().join('\n')).digest('hex');
};
