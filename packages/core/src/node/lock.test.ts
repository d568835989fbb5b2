import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateError } from '../errors.ts';
import { acquireLock, type Lock } from './lock.ts';
import { isRunning, thisProcess } from './process-identity.ts';

let root = '';
let path = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'polygate-lock-'));
  path = join(root, '.lock');
});
afterEach(() => rm(root, { recursive: true, force: true }));

const options = { task: 'pretrain', subject: 'the run runs/a' };
const take = (): Promise<Lock> => acquireLock(path, options);
/** The pid of a process that has ended. */
const deadPid = (): number => spawnSync(process.execPath, ['-e', '0']).pid;
const id = (digit: number): string => `${String(digit).repeat(8)}-0000-4000-8000-000000000000`;
const record = (values: object): string =>
  JSON.stringify({
    id: id(1),
    pid: process.pid,
    host: hostname(),
    started: null,
    task: 'pretrain',
    since: '2026-01-02T03:04:05.000Z',
    ...values,
  });

describe('a lock', () => {
  it('is held by one at a time and leaves nothing behind', async () => {
    const lock = await take();
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({
      pid: process.pid,
      host: hostname(),
      task: 'pretrain',
    });
    const refused = await take().catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StateError);
    expect(refused).toMatchObject({ code: 'locked', fields: { path, pid: process.pid } });
    expect((refused as Error).message).toMatch(
      new RegExp(
        `^lock: expected the run runs/a to be free, got process ${process.pid} on ${hostname()} \\(pretrain, since 20.*Z\\) at work there; wait for it, stop it, or choose another folder$`,
        'u',
      ),
    );
    await lock.release();
    await lock.release();
    expect(await readdir(root)).toEqual([]);
    await (await take()).release();
  });

  it('knows when its file is gone or another’s, and leaves that one alone', async () => {
    const lock = await take();
    await expect(lock.requireHeld()).resolves.toBeUndefined();
    const text = await readFile(path, 'utf8');
    await rm(path);
    await expect(lock.requireHeld()).rejects.toThrow(
      /^lock: expected .+ to be held by this process, got no such lock at/u,
    );
    await writeFile(path, text.replace(/"id":"../u, '"id":"zz'));
    await expect(lock.requireHeld()).rejects.toMatchObject({ code: 'lock-lost' });
    await lock.release();
    expect(await readFile(path, 'utf8')).toContain('"id":"zz');
    await rm(path);
  });

  it('takes the folders away that it made, unless something came into them', async () => {
    const deep = join(root, 'runs', 'a', '.lock');
    await (await acquireLock(deep, options)).release();
    expect(await readdir(root)).toEqual([]);
    const lock = await acquireLock(deep, options);
    await writeFile(join(root, 'runs', 'a', 'recipe.json'), '{}');
    await lock.release();
    expect(await readdir(join(root, 'runs', 'a'))).toEqual(['recipe.json']);
  });

  it('of a process that has ended, or whose pid came again, is taken over', async () => {
    const here = await thisProcess();
    for (const values of [{ pid: deadPid() }, { started: 'another-boot:1' }]) {
      // Without a start time a living pid is believed; so this needs a system that tells them.
      if (here.started === null && !('pid' in values)) continue;
      await writeFile(path, record(values));
      const lock = await take();
      expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ pid: process.pid });
      expect(await readdir(root)).toEqual(['.lock']);
      await lock.release();
      expect(await readdir(root)).toEqual([]);
    }
  });

  it('is taken over once, however many try, and whoever died while trying', async () => {
    const pid = deadPid();
    for (const dead of [0, 1, 2]) {
      await writeFile(path, record({ pid }));
      // Owners that died after they had succeeded the dead one, before they could clear up.
      for (let i = 1; i <= dead; i += 1) {
        await writeFile(`${path}.${id(i)}`, record({ pid, id: id(i + 1) }));
      }
      const all = await Promise.allSettled(Array.from({ length: 24 }, take));
      const won = all.filter((result) => result.status === 'fulfilled');
      expect(won).toHaveLength(1);
      for (const result of all) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'locked' });
      }
      await won[0]?.value.release();
      expect(await readdir(root)).toEqual([]);
    }
  });

  it('of another host is refused with the way to remove it; so is one that says nothing', async () => {
    await writeFile(path, record({ host: 'node-7', pid: 12 }));
    await expect(take()).rejects.toThrow(
      `got a lock of process 12 on node-7 (pretrain, since 2026-01-02T03:04:05.000Z), which cannot be asked from ${hostname()}; wait for it, or remove ${path} if it has ended`,
    );
    for (const text of ['', '{"pid":', 'null', '{"pid":1,"host":"a"}']) {
      await writeFile(path, text);
      await expect(take()).rejects.toThrow(
        `got a lock file that does not say whose it is; remove ${path} if no other process works there`,
      );
    }
    // Nobody goes on writing one that has lain so for a while: it is taken over, by one.
    for (const text of ['', '{"pid":']) {
      await writeFile(path, text);
      await utimes(path, new Date(Date.now() - 60_000), new Date(Date.now() - 60_000));
      const all = await Promise.allSettled(Array.from({ length: 12 }, take));
      const won = all.filter((result) => result.status === 'fulfilled');
      expect(won).toHaveLength(1);
      await won[0]?.value.release();
      expect(await readdir(root)).toEqual([]);
    }
    await mkdir(path);
    await expect(take()).rejects.toThrow(`write ${path}: expected to write the file, got EISDIR`);
  });

  it('knows processes that run', async () => {
    const here = await thisProcess();
    expect(await isRunning(here)).toBe(true);
    expect(await isRunning({ ...here, pid: deadPid() })).toBe(false);
  });
});
