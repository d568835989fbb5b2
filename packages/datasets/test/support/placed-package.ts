/** Small data packages in a cache, in the form in which a fetched archive is unpacked there. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sealJson, sha256 } from '@polygate/core';
import type { DataSource } from '@polygate/datasets';

/** Writes files as the package of a source; from then on it is opened without fetching. */
export const placePackage = async (
  cache: string,
  { pin }: DataSource,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> => {
  if (!('sha256' in pin)) throw new Error(`${pin.name} is pinned by its files`);
  const root = join(cache, `${pin.name.replace('/', '+')}@${pin.version.replaceAll(':', '%3a')}`);
  const sums: Record<string, string> = {};
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
    sums[path] = sha256(content);
  }
  await writeFile(join(root, 'polygate-files.json'), sealJson({ archive: pin.sha256, files: sums }));
};
