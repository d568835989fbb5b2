// Addons that were built, kept in the user's cache folder under everything that decides them: an install of the same
// version against the same LibTorch takes a copy, where compiling takes minutes. It is a convenience: a folder that cannot
// be read or written costs the compilation and nothing else. An addon that was damaged ends the process that loads it
// without a word, so each has its digest beside it.
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
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
const digestFile = (path) => `${path}.sha256`;

/** SHA-256 of a file, as hex; undefined where there is none. */
export const digestOf = (path) => {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch {
    return undefined;
  }
};

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

const remove = (path) => {
  for (const name of [path, digestFile(path)]) rmSync(name, { force: true });
};

/** Puts the addon of a key at `output`. @returns whether one was kept, whole; a damaged one is removed */
export const takeKept = (key, output) => {
  try {
    const digest = digestOf(pathOf(key));
    if (digest === undefined) return false;
    if (digest !== readFileSync(digestFile(pathOf(key)), 'utf8').trim()) {
      remove(pathOf(key));
      return false;
    }
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
    // Between the two the older digest makes the newer addon one to compile again, never one to load unseen.
    copy(output, pathOf(key));
    writeFileSync(digestFile(pathOf(key)), `${digestOf(output)}\n`);
    const byAge = readdirSync(folder())
      .filter((name) => name.endsWith('.node'))
      .map((name) => join(folder(), name))
      .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
    for (const oldest of byAge.slice(MOST_KEPT)) remove(oldest);
  } catch {
    // Not writable: the next install compiles again.
  }
};
