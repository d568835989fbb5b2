/** What the build script left behind: which addons are there, and what the others lack. */
import { excerpt, parseJson } from '@polygate/core';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** What the build script left behind. */
export interface BuildStatus {
  readonly state: 'built' | 'unavailable';
  /** Hash of sources, headers, flags and the library's version. */
  readonly key?: string;
  /** SHA-256 of the addon, as hex; builds of older versions don't say it. */
  readonly sha256?: string;
  readonly source?: string;
  readonly root?: string;
  readonly cuda?: boolean;
  readonly compiler?: string;
  readonly code?: string;
  readonly why?: string;
  readonly remedy?: string;
  /** Of the addon by which several processes work together; of builds before there was one nothing. */
  readonly communicator?: Pick<BuildStatus, 'state' | 'key' | 'sha256' | 'why' | 'remedy'>;
}

/** A file of this package. */
export const packagePath = (relative: string): string =>
  fileURLToPath(new URL(`../../${relative}`, import.meta.url));

/** What builds the binding: the command line where it is installed, else the package's own script. */
export const rebuildCommand = (): string => {
  try {
    createRequire(import.meta.url).resolve('polygate/package.json');
    return 'npx polygate engines build torch';
  } catch {
    return `node ${packagePath('native/build.mjs')}`;
  }
};

/** What a build left; of a file that none left, that the binding is to be built again. */
export const parseStatus = (bytes: Uint8Array, file: string): BuildStatus => {
  let found: string;
  try {
    const status = parseJson(bytes, file) as BuildStatus | null;
    if (status?.state === 'built' || status?.state === 'unavailable') return status;
    found = `expected the status of a build, got ${excerpt(status)}`;
  } catch (error) {
    found = error instanceof Error ? error.message : String(error);
  }
  return {
    state: 'unavailable',
    code: 'status-damaged',
    why: found.startsWith(file) ? found : `${file}: ${found}`,
    remedy: `run \`${rebuildCommand()}\``,
  };
};

/** Reads build/status.json; an installation whose scripts were not run has none. POLYGATE_LIBTORCH=off hides it. */
export const readBuildStatus = (): BuildStatus => {
  if (process.env['POLYGATE_LIBTORCH'] === 'off') {
    return {
      state: 'unavailable',
      code: 'switched-off',
      why: 'POLYGATE_LIBTORCH=off',
      remedy: 'unset POLYGATE_LIBTORCH',
    };
  }
  const file = packagePath('build/status.json');
  if (!existsSync(file)) {
    return {
      state: 'unavailable',
      code: 'not-built',
      why: 'the native binding was not built when the package was installed',
      remedy: `run \`${rebuildCommand()}\` (npm runs install scripts only where they are allowed)`,
    };
  }
  return parseStatus(readFileSync(file), file);
};

/**
 * Why an addon can't be loaded: it is gone, or not what was built. One that was cut off or overwritten would end the process
 * (SIGBUS, SIGSEGV), and nobody would hear why.
 * @param sha256 of what was built; undefined where the build does not say
 * @returns undefined for an addon that is whole
 */
export const addonDamage = (path: string, sha256: string | undefined): string | undefined => {
  const bytes = existsSync(path) ? readFileSync(path) : undefined;
  if (!bytes) return `${path} is missing`;
  const found = createHash('sha256').update(bytes).digest('hex');
  if (sha256 === undefined || found === sha256) return undefined;
  return `${path} is damaged or of another build: expected SHA-256 ${sha256}, got ${bytes.length} bytes of ${found}`;
};
