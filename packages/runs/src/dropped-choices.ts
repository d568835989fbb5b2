/**
 * Tells, once in a run, when the limit on slots leaves many choices of experts unserved. Some are always lost where a
 * limit is set; on batches of a few hundred tokens so many are that the model is worse for it (docs/results/LOG.md,
 * paragraphs 6 to 8), and nothing else in a run shows it but the routing records.
 */
import type { Logger, MetricRecord } from '@polygate/core';

/** Records that are averaged before anything is said: the first of a run come from routers that know nothing yet. */
const RECORDS = 8;
/** Share of choices without a slot from which on it is told. */
const MANY = 0.05;

interface RoutingValues {
  readonly sites?: readonly { readonly tokens: number; readonly droppedFraction: number }[];
}

/**
 * @returns what to call with the routing records of each step
 */
export const watchDroppedChoices = (
  logger: Logger,
): ((records: readonly Pick<MetricRecord, 'kind' | 'values'>[]) => void) => {
  let seen = 0;
  let tokens = 0;
  let dropped = 0;
  return (records) => {
    for (const { kind, values } of records) {
      if (kind !== 'routing' || seen === RECORDS) continue;
      seen += 1;
      for (const site of (values as RoutingValues).sites ?? []) {
        tokens += site.tokens;
        dropped += site.tokens * site.droppedFraction;
      }
      const share = dropped / Math.max(1, tokens);
      if (seen < RECORDS || share <= MANY) continue;
      logger.warn(
        `routing: ${(100 * share).toFixed(0)} % of the choices of experts found no slot, which is much for a batch to lose; set model.moe.capacityFactor=dropless, or a train factor above the present one, or take larger batches`,
      );
    }
  };
};
