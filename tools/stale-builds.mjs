/**
 * Takes out of `dist` what has no source any more: modules that were renamed or deleted since an older build, which the
 * compiler leaves where they are. `node tools/stale-builds.mjs` does so for every package.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Cleans the `dist` of one package's folder. */
export const removeStale = (folder) => {
  const dist = join(folder, 'dist');
  if (!existsSync(dist)) return;
  for (const file of readdirSync(dist, { recursive: true })) {
    const module = /^(.*?)\.(?:d\.ts|js)(?:\.map)?$/u.exec(file)?.[1];
    if (module !== undefined && !existsSync(join(folder, 'src', `${module}.ts`))) rmSync(join(dist, file));
  }
};

if (process.argv[1] && resolve(process.argv[1]) === import.meta.filename) {
  const root = join(import.meta.dirname, '..');
  for (const kind of ['packages', 'apps'])
    for (const name of readdirSync(join(root, kind))) removeStale(join(root, kind, name));
}
