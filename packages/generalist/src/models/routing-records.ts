/** What routers did in a step of training, as records for metrics.jsonl. */
import type { MetricRecord } from '@polygate/core';
import { routingFigures, type ResolvedExperts, type SiteReport } from '@polygate/encoder';

/**
 * The records of a step, one for each group of experts: the reports of all its forwards, by router. None without reports.
 * The README has their shape.
 */
export const routingRecordsOf = (
  moe: ResolvedExperts | undefined,
  task: string,
  reports: readonly SiteReport[],
): readonly Omit<MetricRecord, 'step'>[] => {
  if (!moe || reports.length === 0) return [];
  return moe.groups.flatMap(({ name, condition, experts, topK }) => {
    const groupReports = reports.filter(({ group }) => group === name);
    if (groupReports.length === 0) return [];
    const sites = routingFigures(groupReports).map(({ group: _, losses, groups, ...site }) => ({
      ...site,
      ...losses,
      // What is said of all tokens above is not said of each group again.
      groups: groups.map(({ topK: chosen, ...each }) => (chosen === topK ? each : { ...each, topK: chosen })),
    }));
    const group = moe.groups.length > 1 ? { group: name } : {};
    return [{ kind: 'routing', values: { task, ...group, condition, experts, topK, sites } }];
  });
};
