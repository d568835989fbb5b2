/** Routers of a Uni-Perceiver for the rest of the product: records of a training step, and gates for reports. */
import type { MetricRecord } from '@polygate/core';
import { routingFigures, type Encoder, type SiteReport, type UniPerceiver } from '@polygate/encoder';
import { isMergedConfig } from '@polygate/encoder/merged';
import type { ModelRouting } from '../model.ts';

/** Whether an encoder has its experts (or is dense), as training needs; else they were merged for good. */
export const isTrained = (encoder: Encoder): encoder is UniPerceiver => !isMergedConfig(encoder.config);

/** The record of a step: the reports of all its forwards, by router. None without reports. The README has its shape. */
export const routingRecords = (
  encoder: Pick<Encoder, 'config'>,
  task: string,
  reports: readonly SiteReport[],
): readonly Omit<MetricRecord, 'step'>[] => {
  const { moe } = (encoder as Pick<UniPerceiver, 'config'>).config;
  if (!moe || reports.length === 0) return [];
  const { condition, experts, topK } = moe;
  return [{ kind: 'routing', values: { task, condition, experts, topK, sites: routingFigures(reports) } }];
};

/** The routers of an encoder; none of a dense or merged one. */
export const routingOf = (encoder: Encoder): ModelRouting | undefined => {
  if (!isTrained(encoder) || !encoder.config.moe) return undefined;
  const { condition, experts, topK, tasks, modalities } = encoder.config.moe;
  return { condition, experts, topK, tasks, modalities, gates: (rows) => encoder.routing(rows) };
};
