/** What the build script left behind: which addons are there, and what the others lack. */
import { parseJson } from '@polygate/core';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** What the build script left behind. */
export interface BuildStatus {
  readonly state: 'built' | 'unavailable';
  /** Hash of sources, headers, flags and the library's version. */
  readonly key?: string;
  readonly source?: string;
  readonly root?: string;
  readonly cuda?: boolean;
  readonly compiler?: string;
  readonly code?: string;
  readonly why?: string;
  readonly remedy?: string;
  /** Of the addon by which several processes work together; of builds before there was one nothing. */
  readonly communicator?: Pick<BuildStatus, 'state' | 'key' | 'why' | 'remedy'>;
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
  return parseJson(readFileSync(file), file, {
    remedy: `run \`node ${packagePath('native/build.mjs')}\``,
  }) as BuildStatus;
};
