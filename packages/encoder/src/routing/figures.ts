/** The figures of routers over several forwards: load, importance, entropy, what was dropped, by router and group. */
import { addCounts, routingTelemetry, type RoutingCounts, type RoutingTelemetry } from '@polygate/routers';
import type { GateSite } from '../experts/sites.ts';
import type { GroupCounts, SiteReport } from './trace.ts';

/** Figures of the tokens of one modality and attribute row at one router. */
export interface GroupFigures extends RoutingTelemetry {
  readonly modality: string;
  /** As text, e.g. `10011001`. */
  readonly attributes: string;
  readonly task: string;
  /** Experts that each of its tokens chose; a mean where they chose different numbers. */
  readonly topK: number;
}

/** Figures of one router over all its tokens, and by group. */
export interface SiteFigures extends GateSite, RoutingTelemetry {
  /** Means over forwards by name of the loss, without factors; where the router looks at tokens. */
  readonly losses?: Readonly<Record<string, number>>;
  readonly groups: readonly GroupFigures[];
}

/** Gathers what has the same key, in order of appearance. */
const gather = <A>(all: readonly A[], keyOf: (each: A) => unknown): readonly (readonly [A, ...A[]])[] => {
  const byKey = new Map<string, [A, ...A[]]>();
  for (const each of all) {
    const key = JSON.stringify(keyOf(each));
    const members = byKey.get(key);
    if (members) members.push(each);
    else byKey.set(key, [each]);
  }
  return [...byKey.values()];
};

const figures = (parts: readonly RoutingCounts[]): RoutingTelemetry => routingTelemetry(addCounts(parts));

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const choicesOf = (parts: readonly RoutingCounts[]): number =>
  parts.flatMap(({ choices }) => choices).reduce((sum, count) => sum + count, 0) /
  parts.reduce((sum, { tokens }) => sum + tokens, 0);

const groupFigures = (groups: readonly GroupCounts[]): readonly GroupFigures[] =>
  gather(groups, ({ modality, attributes, task }) => [modality, attributes, task]).map((group) => {
    const [{ modality, attributes, task }] = group;
    const parts = group.map(({ counts }) => counts);
    return { modality, attributes, task, ...figures(parts), topK: choicesOf(parts) };
  });

/**
 * Figures of every router that reported, in the order of the reports; those of one router are added up.
 * @param reports of one or several forwards of the same encoder
 */
export const routingFigures = (reports: readonly SiteReport[]): readonly SiteFigures[] =>
  gather(reports, ({ group, block, linears }) => [group, block, linears]).map((siteReports) => {
    const [{ group, block, linears }] = siteReports;
    const groups = siteReports.flatMap((report) => report.groups);
    const losses = siteReports.flatMap((report) => (report.losses ? [report.losses] : []));
    return {
      group,
      block,
      linears,
      ...figures(groups.map(({ counts }) => counts)),
      ...(losses.length > 0
        ? {
            losses: Object.fromEntries(
              Object.keys(losses[0] ?? {}).map((name) => [
                name,
                mean(losses.map((values) => values[name] ?? 0)),
              ]),
            ),
          }
        : {}),
      groups: groupFigures(groups),
    };
  });
