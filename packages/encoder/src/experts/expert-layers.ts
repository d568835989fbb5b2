/**
 * All groups of experts of a live encoder: the linears of each in one forward, what their routers report, and the merged
 * weights that evaluation keeps.
 */
import { unknownName, type Random } from '@polygate/core';
import type { SequenceBatch } from '@polygate/modalities';
import type { ParameterSet } from '@polygate/nn';
import {
  routeRows,
  type DataIndependentCondition,
  type GateDecision,
  type RoutingKey,
} from '@polygate/routers';
import * as tf from '@tensorflow/tfjs';
import type { AdapterForward } from '../adapters/adapter.ts';
import type { BlockLinears } from '../blocks/block-linears.ts';
import type { ResolvedEncoderConfig } from '../config/config.ts';
import { MergedCache, mergeRows, type CountedRow } from '../merged/merged-cache.ts';
import { mergedLinears } from '../merged/merged-linears.ts';
import type { EncodeOptions, MergedWeights, RoutingReport } from '../models/encoder.ts';
import { countRowDecisions, countTokenDecisions, type SiteReport } from '../routing/trace.ts';
import { rowsOf } from '../sequence/rows.ts';
import type { SequenceLayout } from '../sequence/layout.ts';
import { contextTokens, visibleTokens } from '../sequence/sequence-tensors.ts';
import { LiveGroup, type TopKRule } from './expert-group.ts';
import { rowExperts } from './row-experts.ts';
import { tokenExperts, type TokenExperts } from './token-experts.ts';

/** A forward of an encoder with experts. */
export interface ExpertCall {
  readonly input: SequenceBatch;
  readonly layout: SequenceLayout;
  readonly options: Omit<EncodeOptions, 'cache' | 'dropPath' | 'rowWeights'>;
  /** What an adapter changes. */
  readonly adapted: AdapterForward;
}

/** The experts of one forward. */
export interface ExpertForward {
  /** Linears by group, in the order of the groups. */
  readonly groups: readonly BlockLinears[];
  /** Those of groups whose routers look at tokens; they fill as the blocks run. */
  readonly byToken: readonly TokenExperts[];
  /** What the routers did, once the blocks have run. */
  report(): readonly SiteReport[];
}

/** One number for all positions where they agree: engines choose faster then. */
const topKByPosition = (
  group: LiveGroup,
  { segments }: SequenceLayout,
  rule: TopKRule | undefined,
): number | readonly number[] => {
  const bySegment = segments.map(({ key }) => group.topKOf(key, rule));
  const [first = group.settings.topK] = bySegment;
  if (bySegment.every((topK) => topK === first)) return first;
  return segments.flatMap(({ length }, i) => new Array<number>(length).fill(bySegment[i] ?? first));
};

/** The groups, with the merged weights that evaluation cached; `clear` frees those. */
export class ExpertLayers {
  readonly #groups: readonly LiveGroup[];
  readonly #caches: readonly (MergedCache | undefined)[];
  readonly #groupByPath: ReadonlyMap<string, number>;
  /** Condition that looks at the name of the task, if one does. */
  readonly taskCondition: string | undefined;

  constructor(config: Pick<ResolvedEncoderConfig, 'moe' | 'width'>, parameters: ParameterSet) {
    this.#groups = (config.moe?.groups ?? []).map((group) => new LiveGroup(group, config, parameters));
    this.#caches = this.#groups.map((group) =>
      group.condition.dataIndependent ? new MergedCache(group) : undefined,
    );
    this.#groupByPath = new Map(
      this.#groups.flatMap(({ paths }, index) => paths.map((path) => [path, index] as const)),
    );
    this.taskCondition = this.#groups.find(({ condition }) => condition.reads.includes('task'))?.condition
      .name;
  }

  /** Index of the group of a linear, by its path; undefined for a dense one. */
  groupAt(path: string): number | undefined {
    return this.#groupByPath.get(path);
  }

  /** As `Encoder.refusesContinuation`. */
  get refusesContinuation(): string | undefined {
    for (const { condition, settings } of this.#groups) {
      if (condition.dataIndependent) continue;
      const expected = `expected experts that a token has wherever it stands, to keep keys and values, got the condition "${condition.name}"`;
      if (condition.reads.includes('context')) {
        return `${expected}, which looks at the whole sequence; encode whole sequences`;
      }
      if (settings.capacityFactor !== 'dropless') {
        return `${expected} with slots for a share of the batch alone; encode whole sequences, or let every token have its experts (moe.capacityFactor "dropless")`;
      }
    }
    return undefined;
  }

  /** The experts of a forward. Call it inside its tidy and tape. */
  forward(call: ExpertCall): ExpertForward {
    const byToken: TokenExperts[] = [];
    const reports: (() => readonly SiteReport[])[] = [];
    const groups = this.#groups.map((group, index) => {
      if (group.condition.dataIndependent) {
        return this.#byRow(index, call, (report) => reports.push(report));
      }
      const { training = false, noise = true, random, topK, whole } = call.options;
      const linears = tokenExperts(group, {
        training,
        noise,
        random,
        visible: visibleTokens(call.input),
        context: contextTokens(call.input),
        topK: topKByPosition(group, call.layout, topK),
        runs: call.layout.segments.map(({ key: { modality, task }, length }) => ({ modality, task, length })),
        adapted: call.adapted,
        whole,
      });
      byToken.push(linears);
      reports.push(() => countTokenDecisions(group.sites, linears.decisions, call.layout));
      return linears;
    });
    return { groups, byToken, report: () => reports.flatMap((report) => report()) };
  }

  /** As `Encoder.routing`. */
  routing(rows: readonly RoutingKey[]): readonly RoutingReport[] {
    const reports: RoutingReport[] = [];
    tf.tidy(() => {
      for (const group of this.#groups) {
        if (!group.condition.dataIndependent) continue;
        const topK = rows.map((key) => group.topKOf(key));
        const { stack, parameters, sites } = group;
        for (const [index, decision] of routeRows(stack, rows, { parameters, topK }).entries()) {
          const { chosen, probabilities, values, experts } = decision;
          const site = sites[index] as (typeof sites)[number];
          reports.push({ ...site, chosen, probabilities, values, experts });
        }
      }
    });
    return reports;
  }

  /** As `Encoder.mergedWeights`. */
  mergedWeights(name: string, rows: readonly RoutingKey[]): readonly MergedWeights[] {
    const group = this.#groups.find(({ settings }) => settings.name === name);
    if (!group) {
      throw unknownName(
        'group of experts',
        name,
        this.#groups.map(({ settings }) => settings.name),
      );
    }
    return mergeRows(
      group,
      rows.map((key) => ({ key, topK: group.topKOf(key) })),
    );
  }

  /** Rows whose merged weights are held. */
  get mergedRows(): number {
    return this.#caches.reduce((sum, cache) => sum + (cache?.size ?? 0), 0);
  }

  /** Frees all merged weights. */
  clear(): void {
    for (const cache of this.#caches) cache?.clear();
  }

  /** The linears of a group whose decisions are by row. */
  #byRow(
    index: number,
    { input, layout, options, adapted }: ExpertCall,
    onReport: (report: () => readonly SiteReport[]) => void,
  ): BlockLinears {
    const group = this.#groups[index] as LiveGroup;
    const cache = this.#caches[index] as MergedCache;
    const { training = false, noise = true, random, routing, topK: rule } = options;
    // An adapter leaves the experts as they are: without noise training merges them once, as evaluation does. One that
    // changes them has them merged each time.
    const isFixed =
      !adapted.expert && (!training || (options.adapter !== undefined && !noise && !routing?.telemetry));
    const { merged = isFixed } = options;
    const { keyOf } = group.condition as DataIndependentCondition<RoutingKey>;
    const identityOf = ({ key, topK }: CountedRow): string => `${topK}\n${keyOf(key)}`;
    const counted = (key: RoutingKey): CountedRow => ({ key, topK: group.topKOf(key, rule) });
    const rows = rowsOf(layout, (key) => identityOf(counted(key)));
    const { spans } = rows;
    if (merged && isFixed) {
      return mergedLinears({ spans, weightsOf: cache.lookUp(rows.rows.map(counted), identityOf) });
    }
    const { stack, parameters, sites } = group;
    const decisions: readonly GateDecision[] = routeRows(stack, rows.rows, {
      parameters,
      training: training && noise,
      random: random as Random | undefined,
      topK: rows.rows.map((key) => group.topKOf(key, rule)),
    });
    if (routing?.telemetry) {
      const { keyPadding } = input;
      onReport(() =>
        countRowDecisions(sites, decisions, { layout, rows, ...(keyPadding ? { keyPadding } : {}) }),
      );
    }
    return rowExperts(group, { decisions, spans, adapted });
  }
}
