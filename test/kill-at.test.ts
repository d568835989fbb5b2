/**
 * A process that replaces a folder under a lock is killed before each of its changes of the file system in turn: after
 * recovery the folder holds the old or the new content, whole, and the next process takes the lock over and leaves
 * nothing else behind.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { recoverDirectory } from '@polygate/core/node';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'polygate-kill-at-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (target: string, content: string, env: Readonly<Record<string, string>> = {}) =>
  new Promise<NodeJS.Signals | number | null>((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [
        '--import',
        join(root, 'tools/kill-at.mjs'),
        join(import.meta.dirname, 'kill-at-child.mjs'),
        target,
        content,
      ],
      { stdio: ['ignore', 'inherit', 'inherit'], env: { PATH: process.env['PATH'], ...env } },
    );
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal ?? code));
  });

const contentOf = async (target: string): Promise<readonly string[]> =>
  Promise.all(['a', 'in/b'].map((name) => readFile(join(target, name), 'utf8')));

it('a replaced folder is old or new at every kill, and a lock never stays in the way', async () => {
  const target = join(folder, 'suite');
  const counted = join(folder, 'count');
  expect(await run(target, 'zero')).toBe(0);
  expect(await run(target, 'old', { KILL_COUNT: counted })).toBe(0);
  const changes = Number(await readFile(counted, 'utf8'));
  await rm(counted);
  // Lock, two files and two folders, syncs, three renames, removals.
  expect(changes).toBeGreaterThan(12);
  const seen = new Set<string>();
  for (let at = 1; at <= changes; at += 1) {
    expect(await run(target, 'new', { KILL_AT: String(at) })).toBe('SIGKILL');
    await recoverDirectory(target);
    const [a, b] = await contentOf(target);
    expect(b).toBe(a);
    seen.add(a ?? '');
    expect(await run(target, 'old')).toBe(0);
    expect(await contentOf(target)).toEqual(['old', 'old']);
    expect(await readdir(folder)).toEqual(['suite']);
  }
  expect([...seen].sort()).toEqual(['new', 'old']);
});

it('a lock goes with its process at SIGTERM, and one of many takes over what SIGKILL left', async () => {
  const lock = join(folder, 'run', '.lock');
  const holder = (): Promise<{
    readonly held: boolean;
    end(signal: NodeJS.Signals): Promise<NodeJS.Signals | null>;
  }> =>
    new Promise((resolve, reject) => {
      const text = `import { acquireLock } from '@polygate/core/node';
        await acquireLock(process.argv[1], { task: 'test', subject: 'it' }).then(
          () => { console.log('held'); setInterval(() => {}, 1000); },
          (error) => console.log(error.code));`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', text, lock], {
        cwd: root,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const closed = new Promise<NodeJS.Signals | null>((done) =>
        child.once('close', (_, signal) => done(signal)),
      );
      child.once('error', reject);
      child.stdout.setEncoding('utf8').once('data', (word: string) =>
        resolve({
          held: word === 'held\n',
          end: (signal) => {
            child.kill(signal);
            return closed;
          },
        }),
      );
    });
  const first = await holder();
  expect(first.held).toBe(true);
  expect(await first.end('SIGTERM')).toBe('SIGTERM');
  expect(await readdir(join(folder, 'run'))).toEqual([]);
  const second = await holder();
  expect(second.held).toBe(true);
  expect(await second.end('SIGKILL')).toBe('SIGKILL');
  expect(await readdir(join(folder, 'run'))).toEqual(['.lock']);
  const many = await Promise.all(Array.from({ length: 6 }, holder));
  expect(many.filter(({ held }) => held)).toHaveLength(1);
  await Promise.all(many.map(({ end }) => end('SIGTERM')));
  expect(await readdir(join(folder, 'run'))).toEqual([]);
});
