/** Child processes, a few at a time: an engine's threads and memory are a process's own. */
import { StateError } from '@polygate/core';
import { fork } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a child says on its way. */
export type ChildMessage =
  | { readonly kind: 'progress'; readonly text: string }
  | { readonly kind: 'finished' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly text: string };

export interface PoolOptions<Order> {
  /** Children at a time. */
  readonly jobs: number;
  readonly onProgress: (order: Order, text: string) => void;
  /** Children finish their step, write a checkpoint and end; no further ones start. */
  readonly signal?: AbortSignal;
  /** Module that a child runs. @default child.js beside this file */
  readonly child?: string;
}

export interface PoolResult<Order> {
  readonly finished: readonly Order[];
  readonly stopped: readonly Order[];
  readonly failed: readonly { readonly order: Order; readonly reason: string }[];
}

const here = dirname(fileURLToPath(import.meta.url));

/** One thread for each child, also for the linear algebra that the engine does not control. */
const environment = { OPENBLAS_NUM_THREADS: '1', OMP_NUM_THREADS: '1', MKL_NUM_THREADS: '1' };

const runChild = <Order extends object>(order: Order, options: PoolOptions<Order>): Promise<ChildMessage> =>
  new Promise((resolve) => {
    const { child = join(here, 'child.js'), signal, onProgress } = options;
    const running = fork(child, [], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    let last: ChildMessage | undefined;
    let errors = '';
    running.stderr?.on('data', (part: Buffer) => {
      errors = `${errors}${part.toString()}`.slice(-4000);
    });
    const stop = (): void => void running.kill('SIGINT');
    signal?.addEventListener('abort', stop, { once: true });
    running.on('message', (message: ChildMessage) => {
      if (message.kind === 'progress') onProgress(order, message.text);
      else last = message;
    });
    running.on('error', (cause) => {
      last = { kind: 'failed', text: cause.message };
    });
    running.on('close', (code, by) => {
      signal?.removeEventListener('abort', stop);
      resolve(last ?? { kind: 'failed', text: `ended with ${by ?? code} and no result\n${errors}` });
    });
    running.send(order);
  });

/**
 * Runs every order in a process of its own. One that fails doesn't keep the others from running.
 * @throws StateError for a number of jobs that is none
 */
export const runPool = async <Order extends object>(
  orders: readonly Order[],
  options: PoolOptions<Order>,
): Promise<PoolResult<Order>> => {
  if (!(Number.isInteger(options.jobs) && options.jobs >= 1)) {
    throw new StateError(`pool: expected one job or more at a time, got ${options.jobs}; set --jobs`);
  }
  const waiting = [...orders];
  const finished: Order[] = [];
  const stopped: Order[] = [];
  const failed: { order: Order; reason: string }[] = [];
  const work = async (): Promise<void> => {
    for (let order = waiting.shift(); order; order = waiting.shift()) {
      if (options.signal?.aborted) {
        stopped.push(order);
        continue;
      }
      const end = await runChild(order, options);
      if (end.kind === 'finished') finished.push(order);
      else if (end.kind === 'stopped') stopped.push(order);
      else failed.push({ order, reason: end.kind === 'failed' ? end.text : 'no result' });
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  return { finished, stopped, failed };
};
