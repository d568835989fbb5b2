/** Where and with which code runs are made. Host names stay out. */
import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import type { Machine } from './results.ts';

const git = (...argv: string[]): string | undefined => {
  try {
    return execFileSync('git', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
};

/**
 * Short hash of the work tree's commit, with `+` when tracked files were changed, other than the results that earlier
 * experiments wrote; `unknown` outside of git.
 */
export const commitOf = (): string => {
  const commit = git('rev-parse', '--short', 'HEAD');
  if (commit === undefined) return 'unknown';
  const changed = git(
    'status',
    '--porcelain',
    '--untracked-files=no',
    '--',
    ':/',
    ':(top,exclude)docs/results',
  );
  return changed === '' ? commit : `${commit}+`;
};

export const machineOf = (engine: string): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memoryGigabytes: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  engine,
});
