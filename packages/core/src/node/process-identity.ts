/** Which process a lock belongs to: pid, host and start time, since a pid comes again after some hours or a reboot. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { promisify } from 'node:util';

/** A process on a host. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** When it started, comparable on one host only; null where the system doesn't tell. */
  readonly started: string | null;
}

/** Fields of /proc/PID/stat behind the name in brackets, which may hold anything: state is the 1st, start the 20th. */
const STATE_FIELD = 0;
const START_FIELD = 19;

const procStatus = async (pid: number): Promise<{ started: string; ended: boolean } | undefined> => {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
    ]);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // Ticks since the boot: the boot's own name goes with them.
    const started = `${boot.trim()}:${fields[START_FIELD] ?? ''}`;
    // A zombie has ended and waits for its parent to hear of it.
    return { started, ended: ['Z', 'X'].includes(fields[STATE_FIELD] ?? '') };
  } catch {
    return undefined;
  }
};

/** Start time as `ps` tells it, for systems without /proc; undefined without `ps`. */
const psStart = async (pid: number): Promise<string | undefined> => {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)], {
      env: { ...process.env, LC_ALL: 'C' },
    });
    return stdout.trim() || undefined;
  } catch {
    return undefined;
  }
};

const startOf = async (pid: number): Promise<string | null> =>
  (await procStatus(pid))?.started ?? (await psStart(pid)) ?? null;

/** This process. */
export const thisProcess = async (): Promise<ProcessIdentity> => ({
  pid: process.pid,
  host: hostname(),
  started: await startOf(process.pid),
});

const answers = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    // Another user's process can't be signalled, but it is there.
    return (cause as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Whether a process of this host still runs: the pid answers, isn't a zombie's, and started when the other did. */
export const isRunning = async ({ pid, started }: ProcessIdentity): Promise<boolean> => {
  if (!answers(pid)) return false;
  // Without a start time a pid that answers is believed.
  if (typeof started !== 'string') return true;
  const status = await procStatus(pid);
  if (status) return !status.ended && status.started === started;
  const answer = await psStart(pid);
  return answer === undefined || answer === started;
};
