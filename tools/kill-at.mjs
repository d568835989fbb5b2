/**
 * Kills the process it is loaded into just before its Nth change of the file system: `node --import ./tools/kill-at.mjs`
 * with KILL_AT=N in the environment, counted from 1. Changes are counted in the order in which they are asked for, in
 * `node:fs` (synchronous), `node:fs/promises` and file handles. KILL_AT=0 kills never; the count goes to the file
 * KILL_COUNT, if that is set, when the process exits.
 */
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const at = Number(process.env.KILL_AT ?? 0);
const report = process.env.KILL_COUNT;
let changes = 0;

const { writeFileSync } = fs;
const count = () => {
  changes += 1;
  if (changes === at) {
    process.kill(process.pid, 'SIGKILL');
    // The signal is on its way; nothing more may happen.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }
};

const wrap = (owner, names) => {
  for (const name of names) {
    const original = owner[name];
    owner[name] = function counted(...args) {
      count();
      return original.apply(this, args);
    };
  }
};

const names = [
  'appendFile',
  'copyFile',
  'link',
  'mkdir',
  'rename',
  'rm',
  'rmdir',
  'symlink',
  'truncate',
  'unlink',
  'writeFile',
];
wrap(promises, names);
wrap(
  fs,
  names.map((name) => `${name}Sync`),
);
wrap(fs, ['writeSync']);

/** Opening for reading changes nothing. */
const { open } = promises;
let handles = false;
promises.open = async (path, flags = 'r', ...rest) => {
  if (flags !== 'r' && flags !== 'r+') count();
  const handle = await open(path, flags, ...rest);
  if (!handles) {
    handles = true;
    wrap(Object.getPrototypeOf(handle), ['appendFile', 'sync', 'truncate', 'write', 'writeFile', 'writev']);
  }
  return handle;
};
syncBuiltinESMExports();

if (report) process.on('exit', () => writeFileSync(report, String(changes)));
