/** Routers of a Uni-Perceiver for the rest of the product: records of a training step, and gates for reports. */
import type { MetricRecord } from '@polygate/core';
import type { Encoder, SiteReport, UniPerceiver } from '@polygate/encoder';
import { isMergedConfig } from '@polygate/encoder/merged';
import type { ModelRouting } from '../model.ts';
import { routingRecordsOf } from '../routing-records.ts';

/** Whether an encoder has its experts (or is dense), as training needs; else they were merged for good. */
export const isTrained = (encoder: Encoder): encoder is UniPerceiver => !isMergedConfig(encoder.config);

/** The records of a step: see `routingRecordsOf`. */
export const routingRecords = (
  encoder: Pick<Encoder, 'config'>,
  task: string,
  reports: readonly SiteReport[],
): readonly Omit<MetricRecord, 'step'>[] =>
  routingRecordsOf((encoder as Pick<UniPerceiver, 'config'>).config.moe, task, reports);

/** The routers of an encoder; none of a dense or merged one. */
export const routingOf = (encoder: Encoder): ModelRouting | undefined => {
  if (!isTrained(encoder) || !encoder.config.moe) return undefined;
  const { groups, tasks, modalities } = encoder.config.moe;
  return { groups, tasks, modalities, gates: (rows) => encoder.routing(rows) };
};
