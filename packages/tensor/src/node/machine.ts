/** What an engine's answers depend on beside the engine: the processor, and the code that asks and computes. */
import { sha256 } from '@polygate/core';
import { codeFingerprint } from '@polygate/core/node';
import { readFileSync } from 'node:fs';
import { cpus, homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const processor = (): string => {
  try {
    const text = readFileSync('/proc/cpuinfo', 'utf8');
    // Of the first processor; the numbers that change while it runs are left out.
    const fields = ['vendor_id', 'cpu family', 'model', 'model name', 'stepping', 'flags', 'Features'];
    return fields.map((field) => new RegExp(`^${field}\\s*:.*$`, 'mu').exec(text)?.[0] ?? '').join('\n');
  } catch {
    return cpus()[0]?.model ?? '';
  }
};

let hash: string | undefined;

/** Hash of the processor and of this package's code. */
export const machineKey = (): string => {
  hash ??= sha256(
    [
      process.versions.node,
      processor(),
      codeFingerprint(dirname(dirname(fileURLToPath(import.meta.url)))),
    ].join('\n'),
  );
  return hash;
};

/** Where this user's programs keep what they can make again. */
export const cacheFolder = (): string => {
  const { env, platform } = process;
  const named = env['XDG_CACHE_HOME'] ?? '';
  if (named !== '') return join(named, 'polygate');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'polygate');
  if (platform === 'win32' && env['LOCALAPPDATA']) return join(env['LOCALAPPDATA'], 'polygate', 'cache');
  return join(homedir(), '.cache', 'polygate');
};
