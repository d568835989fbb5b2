/**
 * Linears of experts with one decision per row: the chosen experts of a row are merged on the tape, so gradients reach
 * them and their router (Uni-Perceiver-MoE, section 3.3).
 */
import type { GateDecision } from '@polygate/routers';
import { conditionalLinear, type SegmentSpan } from '@polygate/tensor';
import type { BlockLinears } from '../blocks/block-linears.ts';
import type { LiveGroup } from './expert-group.ts';

/** What row experts work on. All borrowed. */
export interface RowExpertsOptions {
  /** One decision per site, over the rows that the spans name. */
  readonly decisions: readonly GateDecision[];
  readonly spans: readonly SegmentSpan[];
}

export const rowExperts = (group: LiveGroup, { decisions, spans }: RowExpertsOptions): BlockLinears => ({
  apply(x, ref, { activation = 'none', prompts = false } = {}) {
    const { gates, chosen } = decisions[group.siteOf(ref)] as GateDecision;
    const segments = prompts ? [{ row: spans[0]?.row ?? 0, start: 0, length: x.shape[1] }] : spans;
    return conditionalLinear(x, { gates, chosen, experts: group.expertsOf(ref), segments, activation });
  },
});
