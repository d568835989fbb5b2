/**
 * Data packages that are pinned as a whole, unpacked once into a folder of the cache. Beside the files lies a sealed list
 * of their sizes and hashes, by which each of them is compared when it is read.
 */
import { createReadStream } from 'node:fs';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { FormatError, parseJson, sealJson, sealOf, sha256, silentLogger, StateError } from '@polygate/core';
import { makeFolder, sha256File, writeDirectoryAtomic } from '@polygate/core/node';
import { readTar } from '../../archives/tar.ts';
import { resolveInside } from '../../files/paths.ts';
import type { PackageFiles, PackageOptions } from './package-files.ts';
import type { PinnedArchive } from '../sources/data-source.ts';
import { fetchArchive } from './archive-fetch.ts';
import { describeArchive, fileNameOf } from './archive-name.ts';
import { debianTar } from './debian-tar.ts';

/** Most bytes of one file of a data package. */
const MAX_FILE_BYTES = 256 << 20;
/** The sealed list beside the files. */
const LIST = 'polygate-files.json';

interface FileList {
  readonly archive: string;
  readonly files: Readonly<Record<string, string>>;
}

/** The list of an unpacked archive, or undefined where there is none that holds. */
const readList = async (root: string, pin: PinnedArchive): Promise<FileList | undefined> => {
  const text = await readFile(join(root, LIST), 'utf8').catch(() => undefined);
  if (text === undefined || sealOf(text) === undefined) return undefined;
  const list = parseJson(text, join(root, LIST)) as FileList;
  return list.archive === pin.sha256 ? list : undefined;
};

/** Takes the kept files out of an archive; links and all else are passed over. */
const unpack = async (archive: string, pin: PinnedArchive, target: string): Promise<void> => {
  // Archives of npm have one top folder, those of Debian begin with "./".
  const inner = (path: string): string =>
    pin.registry === 'npm' ? path.slice(path.indexOf('/') + 1) : path.replace(/^\.\//u, '');
  const bytes = pin.registry === 'npm' ? createReadStream(archive).pipe(createGunzip()) : debianTar(archive);
  const files: Record<string, string> = {};
  const entries = readTar(bytes, {
    name: describeArchive(pin),
    maxEntryBytes: MAX_FILE_BYTES,
    wanted: (path) => pin.keep.test(inner(path)),
  });
  for await (const { path, body, problem } of entries) {
    if (problem && problem.code !== 'link-member')
      throw new FormatError(problem.reason, { code: 'tar-broken' });
    const name = inner(path);
    const file = pin.keep.test(name) ? resolveInside(target, name) : undefined;
    if (file === undefined || body === undefined) continue;
    await makeFolder(dirname(file));
    await writeFile(file, body);
    files[name] = sha256(body);
  }
  await writeFile(join(target, LIST), sealJson({ archive: pin.sha256, files }));
};

const matches = async (path: string, { bytes, sha256: expected }: PinnedArchive): Promise<boolean> => {
  const stats = await stat(path).catch(() => undefined);
  return stats?.size === bytes && (await sha256File(path)) === expected;
};

/** The archive with the pinned content: one that was put into the cache by hand, else a fetched one. */
const requireArchive = async (
  pin: PinnedArchive,
  { cache, work }: { readonly cache: string; readonly work: string },
  options: PackageOptions,
): Promise<string> => {
  const placed = join(cache, fileNameOf(pin));
  if (await matches(placed, pin)) return placed;
  await makeFolder(work);
  const archive = await fetchArchive(pin, work, { ...options, cacheDirectory: cache });
  if (await matches(archive, pin)) return archive;
  const [size, got] = [(await stat(archive)).size, await sha256File(archive)];
  await rm(work, { recursive: true, force: true });
  throw new FormatError(
    `data package ${describeArchive(pin)}: expected an archive of ${pin.bytes} bytes with SHA-256 ${pin.sha256}, got ${size} bytes with ${got}; it was removed: run again, or fetch it from another mirror`,
    { code: 'package-checksum', fields: { expected: pin.sha256, got } },
  );
};

/**
 * Opens a package that is pinned as a whole: the unpacked copy of the cache, else a fetched one. A fetch that was stopped
 * goes on where it was.
 * @throws StateError where it can't be fetched, FormatError for another content
 */
export const openArchive = async (
  pin: PinnedArchive,
  cache: string,
  options: PackageOptions = {},
): Promise<PackageFiles> => {
  const name = `${pin.name.replace('/', '+')}@${pin.version.replaceAll(':', '%3a')}`;
  const root = join(cache, name);
  let list = await readList(root, pin);
  if (list === undefined) {
    const work = join(cache, `.fetch-${name}`);
    const archive = await requireArchive(pin, { cache, work }, options);
    (options.logger ?? silentLogger).info(`unpacking ${describeArchive(pin)}`);
    await writeDirectoryAtomic(root, (temporary) => unpack(archive, pin, temporary));
    await rm(work, { recursive: true, force: true });
    list = await readList(root, pin);
  }
  const files = list?.files ?? {};
  return {
    root,
    paths: Object.keys(files).sort(),
    async read(path) {
      const member = `data package ${describeArchive(pin)}, ${path}`;
      const expected = files[path];
      if (expected === undefined) {
        throw new StateError(`${member}: expected a file of the package, got none of that name`, {
          code: 'package-file',
          fields: { path },
        });
      }
      const bytes = await readFile(join(root, path)).catch((cause: unknown) => {
        throw new FormatError(
          `${member}: expected the file in ${root}, got none; remove that folder and run again`,
          { code: 'package-file', fields: { path }, cause },
        );
      });
      const got = sha256(bytes);
      if (got === expected) return bytes;
      throw new FormatError(
        `${member}: expected SHA-256 ${expected}, got ${got}; remove ${root} so that it is fetched again`,
        { code: 'package-checksum', fields: { path, expected, got } },
      );
    },
  };
};
