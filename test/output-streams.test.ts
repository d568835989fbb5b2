/** Standard output and standard error that nobody reads any more, or that take nothing: the work is done all the same. */
import { spawn, type SpawnOptions } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitCodes } from 'polygate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const command = join(import.meta.dirname, '../apps/polygate/bin/polygate.js');
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-streams-'));
  await writeFile(join(folder, 'words.txt'), 'call me Ishmael\nsome years ago\n');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  /** What came on standard error, where that was kept. */
  readonly log: string;
}

/** Prepares the words as a suite of that name. `deaf`: the reading ends of the pipes are closed at once. */
const prepare = (name: string, stdio: SpawnOptions['stdio'], deaf = false): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const argv = ['prepare', '--from', 'words.txt', '--set', `name=${name}`];
    const child = spawn(process.execPath, [command, ...argv], { cwd: folder, stdio });
    let log = '';
    if (deaf) for (const stream of [child.stdout, child.stderr]) stream?.destroy();
    else child.stderr?.on('data', (piece: Buffer) => (log += piece.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, log }));
  });

const isPrepared = async (name: string): Promise<boolean> =>
  (await readFile(join(folder, 'data', name, 'suite.json'), 'utf8')).includes(`"${name}"`);

describe('streams of the process', { timeout: 60_000 }, () => {
  it('may be closed by who reads them: the work goes on to its end', async () => {
    expect(await prepare('deaf', ['ignore', 'pipe', 'pipe'], true)).toMatchObject({ code: exitCodes.done });
    expect(await isPrepared('deaf')).toBe(true);
  });

  it('that take no results are named, by one line and the code of a failure', async (context) => {
    if (!existsSync('/dev/full')) context.skip('this system has no device that is always full');
    const full = openSync('/dev/full', 'w');
    try {
      const { code, log } = await prepare('full', ['ignore', full, 'pipe']);
      expect(code).toBe(exitCodes.failed);
      expect(log).toMatch(
        /\nerror: standard output: expected it to take the results, got ENOSPC: the disk is full; .*\n$/u,
      );
      expect(log).not.toContain('    at ');
      expect(await isPrepared('full')).toBe(true);
      expect(await prepare('silent', ['ignore', full, full])).toMatchObject({ code: exitCodes.failed });
    } finally {
      closeSync(full);
    }
  });
});
