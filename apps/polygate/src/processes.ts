/**
 * `--processes N`: this command line as N processes of one run, on this machine, with the variables that torchrun would set.
 * Rank 0 speaks; of the others only errors are told.
 */
import { StateError } from '@polygate/core';
import { freePort } from '@polygate/core/node';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import type { Terminal } from './terminal.ts';

/** Set for processes that another one of this program started: it tells what became of all of them. */
const CHILD = 'POLYGATE_CHILD';
/** Milliseconds that ranks have to end by themselves when one has failed. */
const ENDING = 6000;
/** Lines of errors that are kept of each rank. */
const KEPT_LINES = 20;

/** Whether another process of this program started this one, and tells what became of it. */
export const isChild = (): boolean => process.env[CHILD] === '1';

/** A process whose starter is gone has nobody who would end it. */
export const endWithStarter = (): void => {
  if (!isChild() || !process.channel) return;
  process.on('disconnect', () => process.exit(1));
  process.channel.unref();
};

/** The words of a command line without an option of one value. */
export const withoutOption = (argv: readonly string[], name: string): readonly string[] =>
  argv.filter((word, at) => word !== name && argv[at - 1] !== name && !word.startsWith(`${name}=`));

interface Ended {
  readonly rank: number;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly lines: readonly string[];
}

/** Keeps the last lines that a rank writes to standard error. */
const keepLines = ({ stderr }: ChildProcess): readonly string[] => {
  const lines: string[] = [];
  let rest = '';
  stderr?.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts.filter((line) => line.trim() !== ''));
    lines.splice(0, lines.length - KEPT_LINES);
  });
  return lines;
};

const failure = ({ rank, code, signal, lines }: Ended): StateError => {
  const how = signal ? `was killed by ${signal}` : `ended with exit code ${code}`;
  const said = lines.findLast((line) => line.startsWith('error: '))?.slice('error: '.length) ?? lines.at(-1);
  const why = said === undefined ? (rank === 0 && !signal ? ', as said above' : '') : `: ${said}`;
  return new StateError(
    `processes: rank ${rank} ${how}${why}; all ranks have ended, and the same command goes on from the last checkpoint`,
    { code: 'process-failed', fields: { rank, code, signal } },
  );
};

/**
 * Runs the command line in `count` processes and waits for all of them.
 * @param argv words after `polygate`, without `--processes`
 * @throws StateError (code `process-failed`) naming the rank that failed first
 */
export const runProcesses = async (
  count: number,
  { argv, terminal }: { readonly argv: readonly string[]; readonly terminal: Terminal },
): Promise<void> => {
  const port = await freePort();
  const threads = Math.max(1, Math.floor(availableParallelism() / count));
  const children = Array.from({ length: count }, (_, rank) =>
    spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...argv], {
      // A group of its own: of a key press the starter alone hears, and tells all ranks once.
      detached: true,
      stdio: rank === 0 ? ['ignore', 'inherit', 'inherit', 'ipc'] : ['ignore', 'ignore', 'pipe', 'ipc'],
      env: {
        OMP_NUM_THREADS: String(threads),
        ...process.env,
        [CHILD]: '1',
        RANK: String(rank),
        LOCAL_RANK: String(rank),
        WORLD_SIZE: String(count),
        MASTER_ADDR: '127.0.0.1',
        MASTER_PORT: String(port),
      },
    }),
  );
  const stop = (signal: NodeJS.Signals): void => {
    for (const child of children)
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  };
  const onAbort = (): void => stop('SIGTERM');
  terminal.signal.addEventListener('abort', onAbort, { once: true });
  let first: Ended | undefined;
  let deadline: NodeJS.Timeout | undefined;
  try {
    await Promise.all(
      children.map(async (child, rank) => {
        const lines = keepLines(child);
        const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
        if (code === 0 || terminal.signal.aborted) return;
        const ended = { rank, code, signal, lines };
        // One that only lost the others says nothing; what ended first by itself is the cause.
        if (!first || (first.code === LOST_CODE && code !== LOST_CODE)) first = ended;
        deadline ??= setTimeout(() => stop('SIGKILL'), ENDING);
      }),
    );
  } finally {
    clearTimeout(deadline);
    terminal.signal.removeEventListener('abort', onAbort);
  }
  if (first) throw failure(first);
};

/** Exit code of a child that ended because another rank did. */
export const LOST_CODE = 75;
