/**
 * Lock files: one process at a time works in a folder. The file says who: pid, host and start time. A lock whose
 * process has ended is taken over, so nobody has to clean up after a crash; one of another host can't be judged and is
 * refused.
 *
 * Of two processes that find the same dead lock only one may take it. Removing it and making a new one would let the
 * slower of them remove the faster one's. So a dead lock is not removed but succeeded: the next owner makes the file
 * `LOCK.<id of the dead one>`, which exists once whoever tries, sees by the way from LOCK to it that it still counts,
 * and only then renames its own record over LOCK.
 */
import { randomUUID } from 'node:crypto';
import { unlinkSync } from 'node:fs';
import { link, readdir, readFile, rename, rm, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { sha256 } from '#hashes';
import { StateError } from '../errors.ts';
import { writeError } from './files.ts';
import { makeFolder } from './folders.ts';
import { isRunning, thisProcess, type ProcessIdentity } from './process-identity.ts';

/** A lock that this process holds. */
export interface Lock extends AsyncDisposable {
  readonly path: string;
  /**
   * Asks whether the file is still this lock; to be called before what it guards is written over.
   * @throws StateError (code `lock-lost`) where the file, or its folder, was removed or renamed, or is another's
   */
  requireHeld(): Promise<void>;
  /** Gives it up; a second call does nothing. */
  release(): Promise<void>;
}

interface LockRecord extends ProcessIdentity {
  /** Of this taking; a successor is named after it. */
  readonly id: string;
  /** What the owner does, e.g. `pretrain`. */
  readonly task: string;
  /** ISO 8601. */
  readonly since: string;
}

/** Settings of {@link acquireLock}. */
export interface LockOptions {
  /** What is done under the lock, for the other's error text, e.g. `pretrain`. */
  readonly task: string;
  /** What the lock is for, e.g. `the run runs/demo`. */
  readonly subject: string;
}

/** Process number of a torn lock; no process has it. */
const NO_PROCESS = -1;
const ID = /^[0-9a-f-]{36}$/u;
const NO_HARD_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK']);
/** Takings that may come in between before an attempt is given up. */
const MAX_ATTEMPTS = 100;

const codeOf = (cause: unknown): string => (cause as NodeJS.ErrnoException | null)?.code ?? '';
const absent = (cause: unknown): undefined => {
  if (codeOf(cause) === 'ENOENT') return undefined;
  throw cause;
};

/** Age at which a lock without a record is that of a process that was killed while it wrote, in milliseconds. */
const TORN_AFTER_MS = 10_000;

/** What stands for a torn lock that nobody goes on writing: a record of no process, which takings follow like any other. */
const tornRecord = async (path: string): Promise<LockRecord | 'unreadable' | undefined> => {
  const stats = await stat(path).catch(absent);
  if (!stats) return undefined;
  if (!stats.isFile() || Date.now() - stats.mtimeMs < TORN_AFTER_MS) return 'unreadable';
  const digits = sha256(`${stats.ino} ${stats.mtimeMs} ${stats.size}`).slice(0, 36);
  return { id: digits, pid: NO_PROCESS, host: hostname(), started: null, task: '', since: '' };
};

/** @returns undefined where there is no file, `unreadable` for one that holds no record and may yet get one */
const readRecord = async (path: string): Promise<LockRecord | 'unreadable' | undefined> => {
  const text = await readFile(path, 'utf8').catch(absent);
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as Partial<LockRecord> | null;
    const whole =
      Number.isSafeInteger(value?.pid) && typeof value?.host === 'string' && ID.test(value.id ?? '');
    if (whole) return value as LockRecord;
  } catch {
    // Torn.
  }
  return tornRecord(path);
};

/** Makes a file of a lock that appears with its whole content. @returns false where the name is taken, or try again */
const createWhole = async (lock: string, path: string, text: string): Promise<boolean> => {
  const temporary = join(dirname(lock), `.${basename(lock)}.${randomUUID()}.tmp`);
  try {
    await writeFile(temporary, text, { flush: true });
    try {
      await link(temporary, path);
    } catch (cause) {
      if (!NO_HARD_LINKS.has(codeOf(cause))) throw cause;
      await writeFile(path, text, { flag: 'wx' });
    }
    return true;
  } catch (cause) {
    // ENOENT: a new owner has cleared the temporary file away.
    if (['EEXIST', 'ENOENT'].includes(codeOf(cause))) return false;
    throw cause;
  } finally {
    await rm(temporary, { force: true });
  }
};

const describe = ({ pid, host, task, since }: LockRecord): string =>
  `process ${pid} on ${host} (${task}, since ${since})`;

const refuse = (path: string, { subject }: LockOptions, owner: LockRecord | 'unreadable', here: string) => {
  const fields = { path, ...(owner === 'unreadable' ? {} : { pid: owner.pid, host: owner.host }) };
  const { got, remedy } =
    owner === 'unreadable'
      ? {
          got: 'a lock file that does not say whose it is',
          remedy: `remove ${path} if no other process works there`,
        }
      : owner.host === here
        ? {
            got: `${describe(owner)} at work there`,
            remedy: 'wait for it, stop it, or choose another folder',
          }
        : {
            got: `a lock of ${describe(owner)}, which cannot be asked from ${here}`,
            remedy: `wait for it, or remove ${path} if it has ended`,
          };
  return new StateError(`lock: expected ${subject} to be free, got ${got}; ${remedy}`, {
    code: 'locked',
    fields,
  });
};

/** The last record on the way from the lock over its successors, and the name of the next one. */
const follow = async (path: string) => {
  let last = path;
  let owner = await readRecord(path);
  for (;;) {
    if (owner === undefined || owner === 'unreadable') return { owner, place: last, next: path };
    const next = `${path}.${owner.id}`;
    const successor = await readRecord(next);
    if (successor === undefined) return { owner, place: last, next };
    owner = successor;
    last = next;
  }
};

/** Removes what takings that no longer count have left; only the owner does. */
const clearOthers = async (path: string): Promise<void> => {
  const lock = basename(path);
  const isOthers = (name: string): boolean =>
    (name.startsWith(`${lock}.`) && ID.test(name.slice(lock.length + 1))) ||
    (name.startsWith(`.${lock}.`) && name.endsWith('.tmp'));
  const names = await readdir(dirname(path)).catch(() => [] as string[]);
  await Promise.all(names.filter(isOthers).map((name) => rm(join(dirname(path), name), { force: true })));
};

/** Takes the lock or throws who has it. */
const take = async (path: string, record: LockRecord, options: LockOptions): Promise<void> => {
  const text = `${JSON.stringify(record)}\n`;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const { owner, next } = await follow(path);
    if (owner === 'unreadable') throw refuse(path, options, owner, record.host);
    const isLeft = owner === undefined || owner.pid === NO_PROCESS;
    if (!isLeft && (owner.host !== record.host || (await isRunning(owner)))) {
      throw refuse(path, options, owner, record.host);
    }
    if (!(await createWhole(path, next, text))) continue;
    if (next === path) return clearOthers(path);
    // It counts only if the way still leads here: someone may have taken over, finished and left in the meantime.
    const end = await follow(path);
    if (end.owner !== 'unreadable' && end.owner?.id === record.id) {
      await rename(next, path);
      return clearOthers(path);
    }
    await rm(next, { force: true });
  }
  throw new StateError(
    `lock: expected ${options.subject} to be free, got others that took ${path} again and again; try again`,
    { code: 'locked', fields: { path } },
  );
};

/** Locks that this process holds, to be removed when it ends in a way that runs no `finally`. */
const held = new Map<string, string>();
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const removeHeld = (): void => {
  for (const path of held.keys()) {
    try {
      unlinkSync(path);
    } catch {
      // Gone already, or the folder is; a dead owner's lock is taken over anyway.
    }
  }
  held.clear();
};

/** Where the program itself listens to a signal it goes on working, and so does the lock. */
const onSignal = (signal: NodeJS.Signals): void => {
  if (process.listenerCount(signal) > 1) return;
  removeHeld();
  unwatch();
  process.kill(process.pid, signal);
};

const watch = (): void => {
  process.on('exit', removeHeld);
  for (const signal of signals) process.on(signal, onSignal);
};
const unwatch = (): void => {
  process.off('exit', removeHeld);
  for (const signal of signals) process.off(signal, onSignal);
};

/** Removes the folders that were made for the lock, if nothing else came into them. */
const removeEmpty = async (folder: string, first: string | undefined): Promise<void> => {
  if (first === undefined) return;
  for (let current = folder; current.length >= first.length; current = dirname(current)) {
    try {
      await rmdir(current);
    } catch {
      return;
    }
  }
};

/**
 * Takes a lock file, making its folder if need be; a lock whose process has ended is taken over. It goes when it is
 * released, when the process exits, and on signals that nobody else listens to.
 * @throws StateError (code `locked`) naming the owner and the remedy; or where the folder can't be written
 */
export const acquireLock = async (path: string, options: LockOptions): Promise<Lock> => {
  const record: LockRecord = {
    id: randomUUID(),
    ...(await thisProcess()),
    task: options.task,
    since: new Date().toISOString(),
  };
  let made: string | undefined;
  try {
    made = await makeFolder(dirname(path));
    await take(path, record, options);
  } catch (cause) {
    if (cause instanceof StateError) throw cause;
    throw writeError(path, cause);
  }
  if (held.size === 0) watch();
  held.set(path, record.id);
  const isThere = async (): Promise<boolean> => {
    const holder = await readRecord(path).catch(() => undefined);
    return holder !== undefined && holder !== 'unreadable' && holder.id === record.id;
  };
  const requireHeld = async (): Promise<void> => {
    if (await isThere()) return;
    throw new StateError(
      `lock: expected ${options.subject} to be held by this process, got no such lock at ${path}: it, or its folder, was removed or renamed meanwhile; put the folder back and run the same command again, or choose another one`,
      { code: 'lock-lost', fields: { path } },
    );
  };
  const release = async (): Promise<void> => {
    if (held.get(path) !== record.id) return;
    held.delete(path);
    if (held.size === 0) unwatch();
    if (await isThere()) await unlink(path).catch(() => {});
    await removeEmpty(dirname(path), made);
  };
  return { path, requireHeld, release, [Symbol.asyncDispose]: release };
};
