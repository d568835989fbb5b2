/** The process of one run: gets an order, reports on the way, says how it ended. */
import type { ChildMessage } from './pool.ts';

/** What an order is carried out by. @returns `stopped` when the signal came first */
export type CarryOut<Order> = (
  order: Order,
  context: { readonly signal: AbortSignal; readonly report: (text: string) => void },
) => Promise<'finished' | 'stopped'>;

const say = (message: ChildMessage): Promise<void> =>
  new Promise((resolve) => {
    if (!process.send) resolve();
    else process.send(message, () => resolve());
  });

export const serveOrder = <Order>(carryOut: CarryOut<Order>): void => {
  const stop = new AbortController();
  process.on('SIGINT', () => stop.abort());
  process.once('message', (order: Order) => {
    carryOut(order, { signal: stop.signal, report: (text) => void say({ kind: 'progress', text }) })
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
};
