/**
 * Which expert each kind of token takes, site by site (Uni-Perceiver-MoE, Figure 3): read from the routers of a
 * checkpoint where decisions are by row, from the run's routing records where they are by token.
 */
import type { Generalist } from '@polygate/generalist';
import type { TrainedTask } from '@polygate/tasks';
import type { RoutingEntry } from './metrics-log.ts';
import { segmentName, tokenKinds } from './token-kinds.ts';

/** Gates of one router. */
export interface GateSiteView {
  /** Counted from 1. */
  readonly layer: number;
  readonly linears: readonly string[];
  /** [row][expert]: gate of the expert, or share of the choices that fell on it. */
  readonly values: readonly (readonly number[])[];
}

export interface GateTable {
  readonly condition: string;
  readonly experts: number;
  /** What a value is: the gate of a row's decision, or the share of tokens' choices. */
  readonly meaning: 'gate' | 'share';
  readonly rows: readonly { readonly label: string; readonly detail: string }[];
  readonly sites: readonly GateSiteView[];
}

/** Gates of a model by group of experts whose condition is on rows; none of a dense or merged one. */
export const gateTablesOf = ({ routing }: Generalist, tasks: readonly TrainedTask[]): readonly GateTable[] =>
  (routing?.groups ?? []).flatMap((group) => {
    if (!routing) return [];
    const kinds = tokenKinds(tasks, { ...group, tasks: routing.tasks, modalities: routing.modalities });
    if (kinds.length === 0) return [];
    const sites = routing
      .gates(kinds.map(({ key }) => key))
      .filter((gates) => gates.group === group.name)
      .map(({ block, linears, values, experts }): GateSiteView => ({
        layer: block + 1,
        linears,
        values: kinds.map((_, row) =>
          Array.from({ length: experts }, (_, e) => values[row * experts + e] ?? 0),
        ),
      }));
    return [
      {
        condition: group.condition,
        experts: group.experts,
        meaning: 'gate' as const,
        rows: kinds.map(({ label, detail }) => ({ label, detail })),
        sites,
      },
    ];
  });

/** Records of each task that a share is averaged over: the last ones of the run. */
const LAST_RECORDS = 5;

const shareTableOf = (records: readonly RoutingEntry[]): GateTable | undefined => {
  const [first] = records;
  if (!first) return undefined;
  const tasks = [...new Set(records.map(({ task }) => task))];
  const rows = new Map<string, { label: string; detail: string; sums: number[][]; totals: number[] }>();
  for (const task of tasks) {
    for (const record of records.filter((each) => each.task === task).slice(-LAST_RECORDS)) {
      for (const [site, { groups }] of record.sites.entries()) {
        for (const { modality, attributes, tokens, load } of groups) {
          const id = `${task}\n${modality}\n${attributes}`;
          const row = rows.get(id) ?? {
            label: `${task}: ${segmentName(attributes)}`,
            detail: `${task}, ${modality}, attributes ${attributes}`,
            sums: record.sites.map(() => new Array<number>(record.experts).fill(0)),
            totals: record.sites.map(() => 0),
          };
          rows.set(id, row);
          const sums = row.sums[site];
          if (!sums) continue;
          row.totals[site] = (row.totals[site] ?? 0) + tokens;
          for (const [expert, share] of load.entries()) sums[expert] = (sums[expert] ?? 0) + tokens * share;
        }
      }
    }
  }
  const all = [...rows.values()];
  return {
    condition: first.condition,
    experts: first.experts,
    meaning: 'share',
    rows: all.map(({ label, detail }) => ({ label, detail })),
    sites: first.sites.map(({ block, linears }, site) => ({
      layer: block + 1,
      linears,
      values: all.map(({ sums, totals }) => (sums[site] ?? []).map((sum) => sum / (totals[site] ?? NaN))),
    })),
  };
};

/** Shares of the choices by kind of token and group of experts, from the last routing records of each task. */
export const shareTablesOf = (records: readonly RoutingEntry[]): readonly GateTable[] =>
  [...new Set(records.map(({ group }) => group))].flatMap(
    (name) => shareTableOf(records.filter(({ group }) => group === name)) ?? [],
  );
