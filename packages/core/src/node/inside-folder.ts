/** Keeps what a folder's files name inside that folder: symbolic links. */
import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, sep } from 'node:path';
import { ConfigError } from '../errors.ts';

/** Which symbolic links inside a folder are followed. */
export interface LinkPolicy {
  /** `inside`: those that stay in the folder; `follow`: all. The folder itself may always be a link. @default 'inside' */
  readonly links?: 'inside' | 'follow';
}

/**
 * Refuses a path below `root` that links lead out of it; what is not there passes.
 * @throws ConfigError naming both ends
 */
export const requireInside = async (root: string, path: string, policy: LinkPolicy = {}): Promise<void> => {
  if (policy.links === 'follow') return;
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined) return;
  const way = relative(await realpath(root), real);
  if (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)) return;
  throw new ConfigError(
    `${path}: expected a path inside ${root}, got a link to ${real}; copy it into the folder, or open it with links: "follow" if that is meant`,
    { code: 'link-outside', fields: { path, root } },
  );
};
