/**
 * Linears of experts with one decision per row: the chosen experts of a row are merged on the tape, so gradients reach
 * them and their router (Uni-Perceiver-MoE, section 3.3).
 */
import type { GateDecision } from '@polygate/routers';
import { conditionalLinear, embedding, type SegmentSpan } from '@polygate/tensor';
import * as tf from '@tensorflow/tfjs';
import type { AdapterForward } from '../adapters/adapter.ts';
import type { BlockLinears } from '../blocks/block-linears.ts';
import { weightedSpans } from '../blocks/row-weights.ts';
import type { LiveGroup } from './expert-group.ts';

/** What row experts work on. All borrowed. */
export interface RowExpertsOptions {
  /** One decision per site, over the rows that the spans name. */
  readonly decisions: readonly GateDecision[];
  readonly spans: readonly SegmentSpan[];
  /** What an adapter changes of the experts. */
  readonly adapted: AdapterForward;
}

export const rowExperts = (
  group: LiveGroup,
  { decisions, spans, adapted }: RowExpertsOptions,
): BlockLinears => ({
  apply(x, ref, { activation = 'none', prompts = false, rowWeights } = {}) {
    const { gates, chosen } = decisions[group.siteOf(ref)] as GateDecision;
    const used = new Set(chosen.flat());
    const experts = group.adaptedExperts(ref, adapted, (expert) => used.has(expert));
    const segments = prompts ? [{ row: spans[0]?.row ?? 0, start: 0, length: x.shape[1] }] : spans;
    if (!rowWeights) return conditionalLinear(x, { gates, chosen, experts, segments, activation });
    // A row whose tokens weigh differently is merged once for each weight, by the same gates.
    const { rows, rates, ...weighted } = weightedSpans(segments, rowWeights);
    return conditionalLinear(x, {
      gates: embedding(gates, tf.tensor1d([...rows], 'int32')) as tf.Tensor2D,
      chosen: rows.map((row) => chosen[row] ?? []),
      experts,
      segments: weighted.segments,
      activation,
      weightRates: rates,
    });
  },
});
