/**
 * Telemetry of routers during training, off its hot path: which steps are looked at, and the records that come of it.
 * Their shape is in the README of this package.
 */
import type { MetricRecord } from '@polygate/core';
import { routingFigures, type SiteReport, type UniPerceiver } from '@polygate/encoder';

/** Settings of {@link createRoutingSchedule}. */
export interface RoutingScheduleOptions {
  /** Steps of a stretch, at least 1. */
  readonly every: number;
  /** Task of an update, counted from 0. */
  readonly taskOf: (step: number) => string;
}

/**
 * Whether an update is looked at: the first of its task in its stretch of `every` updates is. A pure function of the
 * step, so that a run that was resumed looks at the same ones; cheap where steps are asked in their order.
 */
export const createRoutingSchedule = ({
  every,
  taskOf,
}: RoutingScheduleOptions): ((step: number) => boolean) => {
  let stretch = -1;
  let next = 0;
  /** First update of each task in the stretch, of those before `next`. */
  let firsts = new Map<string, number>();
  return (step) => {
    const own = Math.floor(step / every);
    if (own !== stretch) {
      stretch = own;
      next = own * every;
      firsts = new Map();
    }
    for (; next <= step; next += 1) {
      const task = taskOf(next);
      if (!firsts.has(task)) firsts.set(task, next);
    }
    return firsts.get(taskOf(step)) === step;
  };
};

/** The record of a step: the reports of all its forwards, by router. None without reports. */
export const routingRecords = (
  encoder: Pick<UniPerceiver, 'config'>,
  task: string,
  reports: readonly SiteReport[],
): readonly Omit<MetricRecord, 'step'>[] => {
  const { moe } = encoder.config;
  if (!moe || reports.length === 0) return [];
  const { condition, experts, topK } = moe;
  return [{ kind: 'routing', values: { task, condition, experts, topK, sites: routingFigures(reports) } }];
};
