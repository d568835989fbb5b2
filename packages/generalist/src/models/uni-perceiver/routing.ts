/** Routers of a Uni-Perceiver for the rest of the product: records of a training step, and gates for reports. */
import type { MetricRecord } from '@polygate/core';
import { routingFigures, type Encoder, type SiteReport, type UniPerceiver } from '@polygate/encoder';
import { isMergedConfig } from '@polygate/encoder/merged';
import type { ModelRouting } from '../model.ts';

/** Whether an encoder has its experts (or is dense), as training needs; else they were merged for good. */
export const isTrained = (encoder: Encoder): encoder is UniPerceiver => !isMergedConfig(encoder.config);

/**
 * The records of a step, one for each group of experts: the reports of all its forwards, by router. None without reports.
 * The README has their shape.
 */
export const routingRecords = (
  encoder: Pick<Encoder, 'config'>,
  task: string,
  reports: readonly SiteReport[],
): readonly Omit<MetricRecord, 'step'>[] => {
  const { moe } = (encoder as Pick<UniPerceiver, 'config'>).config;
  if (!moe || reports.length === 0) return [];
  return moe.groups.flatMap(({ name, condition, experts, topK }) => {
    const own = reports.filter(({ group }) => group === name);
    if (own.length === 0) return [];
    const sites = routingFigures(own).map(({ group: _, losses, groups, ...site }) => ({
      ...site,
      ...losses,
      // What is said of all tokens above is not said of each group again.
      groups: groups.map(({ topK: chosen, ...each }) => (chosen === topK ? each : { ...each, topK: chosen })),
    }));
    const group = moe.groups.length > 1 ? { group: name } : {};
    return [{ kind: 'routing', values: { task, ...group, condition, experts, topK, sites } }];
  });
};

/** The routers of an encoder; none of a dense or merged one. */
export const routingOf = (encoder: Encoder): ModelRouting | undefined => {
  if (!isTrained(encoder) || !encoder.config.moe) return undefined;
  const { groups, tasks, modalities } = encoder.config.moe;
  return { groups, tasks, modalities, gates: (rows) => encoder.routing(rows) };
};
