/**
 * Before a package is packed, in its folder: builds it, and takes out of `dist` what has no source any more, so that a
 * tarball is never empty and never holds what an older state left.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { removeStale } from './stale-builds.mjs';

const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
// Where dist was deleted but its build record was not (or the other way round), only a forced build writes all files.
const complete = existsSync('dist/index.js') && existsSync('dist/.tsbuildinfo');
execFileSync(process.execPath, [compiler, '-b', ...(complete ? [] : ['--force'])], { stdio: 'inherit' });

removeStale('.');
if (!existsSync('dist/index.js'))
  throw new Error(`expected dist/index.js after the build in ${process.cwd()}`);
