/** The figures of routers over several forwards: load, importance, entropy, what was dropped, by router and group. */
import { addCounts, routingTelemetry, type RoutingCounts, type RoutingTelemetry } from '@polygate/routers';
import type { GateSite } from '../experts/placement.ts';
import type { GroupCounts, SiteReport } from './routing-trace.ts';

/** Figures of the tokens of one modality and attribute row at one router. */
export interface GroupFigures extends RoutingTelemetry {
  readonly modality: string;
  /** As text, e.g. `10011001`. */
  readonly attributes: string;
  readonly task: string;
}

/** Figures of one router over all its tokens, and by group. */
export interface SiteFigures extends GateSite, RoutingTelemetry {
  /** Means over forwards, without factors; where the router looks at tokens. */
  readonly balance?: number;
  readonly z?: number;
  readonly groups: readonly GroupFigures[];
}

/** Gathers what has the same key, in order of appearance. */
const gather = <A>(all: readonly A[], keyOf: (each: A) => unknown): readonly (readonly [A, ...A[]])[] => {
  const found = new Map<string, [A, ...A[]]>();
  for (const each of all) {
    const key = JSON.stringify(keyOf(each));
    const known = found.get(key);
    if (known) known.push(each);
    else found.set(key, [each]);
  }
  return [...found.values()];
};

const figures = (parts: readonly RoutingCounts[]): RoutingTelemetry => routingTelemetry(addCounts(parts));

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const groupFigures = (groups: readonly GroupCounts[]): readonly GroupFigures[] =>
  gather(groups, ({ modality, attributes, task }) => [modality, attributes, task]).map((own) => {
    const [{ modality, attributes, task }] = own;
    return { modality, attributes, task, ...figures(own.map(({ counts }) => counts)) };
  });

/**
 * Figures of every router that reported, in the order of the reports; those of one router are added up.
 * @param reports of one or several forwards of the same encoder
 */
export const routingFigures = (reports: readonly SiteReport[]): readonly SiteFigures[] =>
  gather(reports, ({ block, linears }) => [block, linears]).map((own) => {
    const [{ block, linears }] = own;
    const groups = own.flatMap((report) => report.groups);
    const losses = own.flatMap((report) => (report.losses ? [report.losses] : []));
    return {
      block,
      linears,
      ...figures(groups.map(({ counts }) => counts)),
      ...(losses.length > 0
        ? { balance: mean(losses.map(({ balance }) => balance)), z: mean(losses.map(({ z }) => z)) }
        : {}),
      groups: groupFigures(groups),
    };
  });
