// Addons that were built, kept in the user's cache folder under everything that decides them: an install of the same
// version against the same LibTorch takes a copy, where compiling takes minutes. It is a convenience: a folder that cannot
// be read or written costs the compilation and nothing else.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** Addons that are kept, of some megabytes each; the one that was used longest ago goes. */
const MOST_KEPT = 8;

/** As @polygate/tensor's cacheFolder, which may not be there yet while packages are installed. */
const folder = () => {
  const { env, platform } = process;
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'polygate', 'addons');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'polygate', 'addons');
  return join(homedir(), '.cache', 'polygate', 'addons');
};

const pathOf = (key) => join(folder(), `${key}.node`);

/** Copied beside its place and renamed into it: nobody loads half an addon. */
const copy = (from, to) => {
  const partial = `${to}.${process.pid}.partial`;
  mkdirSync(dirname(to), { recursive: true });
  try {
    copyFileSync(from, partial);
    renameSync(partial, to);
  } finally {
    rmSync(partial, { force: true });
  }
};

/** Puts the addon of a key at `output`. @returns whether one was kept */
export const takeKept = (key, output) => {
  try {
    if (!existsSync(pathOf(key))) return false;
    copy(pathOf(key), output);
    const now = new Date();
    utimesSync(pathOf(key), now, now);
    return true;
  } catch {
    return false;
  }
};

export const keep = (key, output) => {
  try {
    copy(output, pathOf(key));
    const byAge = readdirSync(folder())
      .filter((name) => name.endsWith('.node'))
      .map((name) => join(folder(), name))
      .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
    for (const oldest of byAge.slice(MOST_KEPT)) rmSync(oldest, { force: true });
  } catch {
    // Not writable: the next install compiles again.
  }
};
