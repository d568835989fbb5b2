/** The process of one run: gets an order, reports on the way, says how it ended. */
import { runOnce } from './run-once.ts';
import type { ChildMessage } from './pool.ts';
import type { RunOrder } from './plan.ts';

const say = (message: ChildMessage): Promise<void> =>
  new Promise((resolve) => {
    if (!process.send) resolve();
    else process.send(message, () => resolve());
  });

const stop = new AbortController();
process.on('SIGINT', () => stop.abort());
process.once('message', (order: RunOrder) => {
  runOnce(order, { signal: stop.signal, report: (text) => void say({ kind: 'progress', text }) })
    .then(
      (kind) => say({ kind }),
      (error: unknown) =>
        say({
          kind: 'failed',
          text: error instanceof Error ? (error.stack ?? error.message) : String(error),
        }),
    )
    .finally(() => process.disconnect());
});
