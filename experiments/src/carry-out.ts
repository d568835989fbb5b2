/** Carries out what is missing of some orders, each in a process of its own, and says how it goes. */
import type { Logger } from '@polygate/core';
import { runPool, type PoolOptions, type PoolResult } from './pool.ts';

/** The time since an experiment began, as its lines say it. */
export const startClock = (): (() => string) => {
  const began = performance.now();
  return () => ((performance.now() - began) / 60_000).toFixed(1);
};

export interface CarryOutOptions<Order> extends Omit<PoolOptions<Order>, 'onProgress'> {
  readonly experiment: string;
  /** What the orders are, as the first line says it. */
  readonly what: string;
  readonly isFinished: (order: Order) => Promise<unknown>;
  /** What tells an order from the others, in lines. */
  readonly label: (order: Order) => string;
  readonly minutes: () => string;
  readonly logger: Logger;
}

/** One that fails doesn't keep the others from running, and is told of. */
export const carryOut = async <Order extends { readonly folder: string }>(
  orders: readonly Order[],
  { experiment, what, isFinished, label, minutes, logger, ...pool }: CarryOutOptions<Order>,
): Promise<PoolResult<Order>> => {
  const open: Order[] = [];
  for (const order of orders) if (!(await isFinished(order))) open.push(order);
  logger.info(
    `${experiment}: ${orders.length} ${what}, ${orders.length - open.length} finished before, ${pool.jobs} at a time`,
  );
  const result = await runPool(open, {
    ...pool,
    onProgress: (order, text) => logger.info(`[${minutes()} min] ${experiment} ${label(order)}: ${text}`),
  });
  for (const { order, reason } of result.failed)
    logger.error(`${experiment} ${label(order)} (${order.folder}): ${reason}`);
  return result;
};
